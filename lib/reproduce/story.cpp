// Over 300 lines: the record and triage's report are read here alone, so that the writers only write.
#include "reproduce/story.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "base/text.hpp"
#include "source/redact.hpp"

namespace reproduce {

namespace {

using nlohmann::json;


int machine_pid(const Event& event) { return event.host_pid != 0 ? event.host_pid : event.pid; }

std::string word(const json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

int number(const json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_number_integer() ? found->get<int>() : 0;
}

// The objects of a list; nothing where there is none.
std::vector<const json*> objects(const json& object, const char* key) {
  std::vector<const json*> all;
  if (const auto found = object.find(key); found != object.end() && found->is_array())
    for (const json& one : *found)
      if (one.is_object()) all.push_back(&one);
  return all;
}

void add_doing(const json& finding, std::vector<std::string>& doing) {
  const auto found = finding.find("was_doing");
  if (found == finding.end() || !found->is_object()) return;
  for (const auto& [key, name] : {std::pair{"request", "request: "}, {"requests", "requests: "}, {"syscall", "system call: "}, {"peer", "peer: "}})
    if (const std::string text = word(*found, key); !text.empty()) doing.push_back(name + text);
  for (const char* key : {"python", "native"})
    if (const auto frames = found->find(key); frames != found->end() && frames->is_array())
      for (const json& frame : *frames)
        if (frame.is_string() && doing.size() < 24) doing.push_back(std::string(key) + ": " + frame.get<std::string>());
}

Told told_of(const json& finding) {
  Told told;
  for (const auto& [key, into] : {std::pair{"id", &told.id}, {"rule", &told.rule}, {"level", &told.level}, {"sure", &told.sure}, {"sure_because", &told.sure_because}, {"message", &told.message},
                                  {"when", &told.when}, {"caused_by", &told.caused_by}, {"prediction", &told.prediction}})
    *into = word(finding, key);
  if (const auto subject = finding.find("subject"); subject != finding.end() && subject->is_object()) {
    told.pid = number(*subject, "pid");
    told.host_pid = number(*subject, "host_pid");
    told.where = word(*subject, "where");
  }
  told.count = static_cast<std::size_t>(std::max(1, number(finding, "count")));
  for (const json* one : objects(finding, "because")) told.because.push_back({word(*one, "id"), word(*one, "when"), word(*one, "source"), word(*one, "where"), word(*one, "text"), word(*one, "note")});
  for (const json* one : objects(finding, "ruled_out")) told.ruled_out.emplace_back(word(*one, "cause"), word(*one, "because"));
  for (const json* one : objects(finding, "fix")) told.fix.push_back({word(*one, "when"), word(*one, "text"), word(*one, "expect"), word(*one, "loses"), word(*one, "edit")});
  add_doing(finding, told.doing);
  return told;
}

// The folder of the run's servers, by the paths in their command lines.
std::string site_of(const Run& run) {
  for (const std::string& command : run.commands)
    if (const auto end = command.find("/site/"); end != std::string::npos) {
      const auto begin = command.find_last_of(" '=", end);
      return command.substr(begin == std::string::npos ? 0 : begin + 1, end + 6 - (begin == std::string::npos ? 0 : begin + 1));
    }
  return {};
}

// A live look sees every server of the machine; what is about this run names one of its processes or files, or follows from what does.
void find_here(const Run& run, std::vector<Told>& all, bool live) {
  std::set<int> host, own;
  for (const Event& event : run.events)
    if (event.pid != 0 && event.what != "triage") {
      host.insert(machine_pid(event));
      own.insert(event.pid);
    }
  const std::string site = site_of(run);
  const auto names_site = [&](const std::string& text) { return !site.empty() && base::contains(text, site); };
  for (Told& one : all) {
    if (!live) one.here = true;
    else if (one.host_pid != 0) one.here = host.contains(one.host_pid);
    else one.here = own.contains(one.pid) || names_site(one.where) || names_site(one.message) || std::ranges::any_of(one.because, [&](const Seen& seen) { return names_site(seen.where) || names_site(seen.text); });
  }
  for (std::size_t round = 0; round < all.size(); ++round) {   // chains are short; a round that changes nothing ends it
    bool changed = false;
    for (Told& one : all)
      for (Told& cause : all)
        if (!one.caused_by.empty() && one.caused_by == cause.id && one.here != cause.here) one.here = cause.here = changed = true;
    if (!changed) break;
  }
}

struct Findings { std::vector<Told> here, elsewhere; };

Findings findings_in(const Run& run) {
  Findings found;
  const json report = json::parse(run.report, nullptr, false);
  if (!report.is_object()) return found;
  std::vector<Told> all;
  for (const json* one : objects(report, "findings")) {
    if (const std::string group = word(*one, "group"); !group.empty() && group != word(*one, "id")) continue;   // the group's first one stands for it
    all.push_back(told_of(*one));
  }
  find_here(run, all, word(report, "source") == "live");
  for (Told& one : all) (one.here ? found.here : found.elsewhere).push_back(std::move(one));
  const std::string named = word(report, "root");
  auto first = std::ranges::find(found.here, named, &Told::id);
  if (first == found.here.end()) first = std::ranges::find_if(found.here, [](const Told& one) { return one.caused_by.empty() && one.level != "note"; });
  if (first != found.here.end()) std::rotate(found.here.begin(), first, first + 1);
  return found;
}

std::vector<Ending> endings_of(const Run& run) {
  std::vector<Ending> all;
  for (const Event& event : run.events) {
    if (event.what != "answered") continue;
    auto found = std::ranges::find_if(all, [&](const Ending& one) { return one.load == event.who && one.got == event.text; });
    const double took = std::max(0.0, event.at - event.from.value_or(event.at));
    if (found == all.end()) found = all.insert(all.end(), {event.who, event.text, 0, took, took, event.at, event.at});
    ++found->count;
    found->shortest = std::min(found->shortest, took);
    found->longest = std::max(found->longest, took);
    found->last = event.at;
  }
  return all;
}

std::string death_text(const std::string& status) {
  if (status.starts_with("SIG") || status.starts_with("signal")) return "was killed by " + status;
  return status == "unknown" ? "ended; how, nothing told" : "ended with " + status;
}

std::string name_of(const Event& event, std::string_view what) {
  const std::string role = event.who.empty() ? std::string(what.substr(0, what.find('-'))) : event.who;
  return event.pid != 0 ? role + " " + std::to_string(event.pid) : role;
}

bool says_trouble(std::string_view line) {
  return std::ranges::any_of(std::initializer_list<std::string_view>{"[CRITICAL]", "[ERROR]", "[WARNING]", "[error]", "[crit]", "[alert]", "[emerg]", "[warn]"}, [&](std::string_view mark) { return base::contains(line, mark); });
}

// What a client can say of it.
std::string felt(const std::string& got) {
  if (got == "gave-up") return "gave up";
  if (got == "unanswered") return "had no answer yet";
  if (got == "held") return "only held a connection";
  if (got == "cut") return "got an answer that was cut short";
  return got.size() == 3 && got[0] >= '1' && got[0] <= '5' ? "got " + got : "got no answer (" + got + ")";
}

void add_peaks(const Run& run, std::vector<Notable>& all) {
  const Event* longest = nullptr;
  std::map<int, std::pair<const Event*, const Event*>> memory;   // first, largest
  for (const Event& event : run.events) {
    if (event.what == "queue" && event.number > 0 && (longest == nullptr || event.number > longest->number)) longest = &event;
    if (event.what != "memory") continue;
    auto& [first, most] = memory[machine_pid(event)];
    if (first == nullptr) first = &event;
    if (most == nullptr || event.number > most->number) most = &event;
  }
  if (longest != nullptr) all.push_back({longest->at, "queue", base::counted(whole(longest->number), "connection") + " waiting to be accepted, the most of the run", false, 1, longest->at});
  for (const auto& [pid, pair] : memory)
    if (const auto& [first, most] = pair; most->number > 1.5 * first->number && most->number - first->number > 16e6)
      all.push_back({most->at, name_of(*most, ""), base::bytes_text(whole(most->number)) + " of memory, from " + base::bytes_text(whole(first->number)), false, 1, most->at});
}

// The text without its digits: lines that differ in a pid or a time alone are one that repeats.
std::string shape(const std::string& text) {
  std::string out = text;
  std::erase_if(out, [](char c) { return c >= '0' && c <= '9'; });
  return out;
}

std::vector<Notable> notable_of(const Run& run, const std::vector<Ending>& endings) {
  std::vector<Notable> all;
  for (const Event& event : run.events) {
    const std::string name = name_of(event, event.what);
    if (event.what == "ready") all.push_back({event.at, "server", "is ready: second 0", false, 1, event.at});
    else if (event.what.ends_with("-born")) all.push_back({event.at, name, "is born", false, 1, event.at});
    else if (event.what.ends_with("-dead")) all.push_back({event.at, name, death_text(event.text) + (event.from ? ", " + at_text(event.at - *event.from) + " after its birth" : ""), true, 1, event.at});
    else if (event.what == "step") all.push_back({event.at, "we", event.text, false, 1, event.at});
    else if (event.what == "signalled") all.push_back({event.at, name, "gets " + event.text, false, 1, event.at});
    else if (event.what == "log" && says_trouble(event.text)) all.push_back({event.at, event.who, event.text, true, 1, event.at});
    else if (event.what == "load-begins") all.push_back({event.at, "clients " + event.who, "begin", false, 1, event.at});
  }
  for (const Ending& one : endings)
    if (sort_of(one.got) == Sort::bad || sort_of(one.got) == Sort::late) all.push_back({one.first, "clients " + one.load, felt(one.got), true, one.count, one.last});
  for (const Silence& one : silences(run))
    all.push_back({one.since + one.seconds, "worker " + std::to_string(one.pid), "has not touched its heartbeat for " + at_text(one.seconds), true, 1, one.since + one.seconds});
  add_peaks(run, all);
  std::ranges::stable_sort(all, {}, &Notable::at);
  std::vector<Notable> merged;
  for (Notable& one : all) {
    if (!merged.empty() && merged.back().who == one.who && shape(merged.back().text) == shape(one.text)) {
      merged.back().count += one.count;
      merged.back().last = one.last;
    } else merged.push_back(std::move(one));
  }
  return merged;
}

std::string share(std::size_t count, std::size_t of) { return count == of ? (of == 1 ? "1" : "all " + std::to_string(of)) : std::to_string(count) + " of " + std::to_string(of); }

void tell_deaths(const Run& run, std::vector<std::string>& out) {
  std::size_t told = 0, more = 0;
  for (const Event& event : run.events) {
    if (!event.what.ends_with("-dead")) continue;
    if (++told > 6) {
      ++more;
      continue;
    }
    std::string text = name_of(event, event.what) + " " + death_text(event.text) + " at " + at_text(event.at);
    text[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(text[0])));
    const Event* had = nullptr;
    for (const Event& one : run.events)
      if (one.what == "taken" && machine_pid(one) == machine_pid(event) && one.at <= event.at && (!event.from || one.at >= *event.from)) had = &one;
    if (had != nullptr) text += "; the last request that it took was " + had->text + ", " + at_text(event.at - had->at) + " before";
    const auto next = std::ranges::find_if(run.events, [&](const Event& one) { return one.what == "worker-born" && one.at >= event.at; });
    if (event.what == "worker-dead" && next != run.events.end()) text += "; the next worker was born " + (next->at - event.at < 0.0005 ? "at once" : at_text(next->at - event.at) + " later");
    out.push_back(text + ".");
  }
  if (more > 0) out.push_back("After these, " + base::counted(more, "more death") + ".");
}

std::vector<std::string> happened_in(const Run& run, const std::vector<Ending>& endings) {
  std::vector<std::string> out;
  const auto workers = std::ranges::count_if(run.events, [](const Event& event) { return event.what == "worker-born" && event.at <= 0.05; });
  if (!run.began.empty())
    out.push_back((run.version.empty() ? run.server : run.version) + " was ready at " + run.began + (workers > 0 ? " with " + base::counted(static_cast<std::uint64_t>(workers), "worker") : "") + "; that is second 0 here.");
  std::map<std::string, std::size_t> totals;
  for (const Ending& one : endings) totals[one.load] += one.count;
  for (const auto& [load, total] : totals) {
    const auto asked = std::ranges::find_if(run.events, [&](const Event& event) { return event.what == "asked" && event.who == load; });
    std::string text = "Clients of load " + load + (asked != run.events.end() ? " asked " + asked->text : "") + ": ", rest;
    for (const Ending& one : endings)
      if (one.load == load) rest += (rest.empty() ? "" : "; ") + share(one.count, total) + " " + felt(one.got) + ", after " + (one.longest - one.shortest < 0.02 || one.count == 1 ? "" : "at most ") + at_text(one.longest);
    out.push_back(text + rest + ".");
  }
  tell_deaths(run, out);
  return out;
}

std::string shell_word(const std::string& word) {
  const bool plain = !word.empty() && std::ranges::all_of(word, [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || std::string_view("-_./=:,+@%").find(c) != std::string_view::npos; });
  if (plain) return word;
  std::string out = "'";
  for (const char c : word) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

std::string deaths_of(const Run& run, std::string_view what) {
  std::map<std::string, std::size_t> by;
  for (const Event& event : run.events)
    if (event.what == what) ++by[event.text];
  std::string text;
  for (const auto& [status, count] : by) text += (text.empty() ? "" : ", ") + std::to_string(count) + " " + status;
  return text.empty() ? "none" : text;
}

std::string clients_of(const std::vector<Ending>& endings, const std::string& load) {
  std::string text;
  for (const Ending& one : endings)
    if (one.load == load) text += fmt::format("{}{} {} (at most {})", text.empty() ? "" : ", ", one.count, one.got, at_text(one.longest));
  return text.empty() ? "not seen" : text;
}

std::string most_of(const Run& run, std::string_view what, std::string_view who) {
  double most = -1;
  for (const Event& event : run.events)
    if (event.what == what && (who.empty() || event.who == who)) most = std::max(most, event.number);
  if (most < 0) return "not seen";
  return what == "memory" ? base::bytes_text(whole(most)) : std::to_string(whole(most));
}

// The server's timeout: as it was started, or as triage read it.
std::optional<double> timeout_of(const Run& run) {
  for (const std::string& command : run.commands)
    for (const std::string_view flag : {" --timeout ", " --timeout=", " -t "})
      if (const auto at = command.find(flag); at != std::string::npos) {
        std::string_view rest = std::string_view(command).substr(at + flag.size());
        if (const auto seconds = base::take_number(rest)) return static_cast<double>(*seconds);
      }
  const json report = json::parse(run.report, nullptr, false);
  if (!report.is_object() || !report.contains("stack") || !report["stack"].is_object()) return std::nullopt;
  for (const json* hop : objects(report["stack"], "hops"))
    if (word(*hop, "role") == "server" && hop->contains("settings") && (*hop)["settings"].is_object())
      if (const auto setting = (*hop)["settings"].find("timeout"); setting != (*hop)["settings"].end() && setting->is_object() && setting->contains("value") && (*setting)["value"].is_number())
        return (*setting)["value"].get<double>();
  return std::nullopt;
}

double least_silence(const Run& run) {
  const auto timeout = timeout_of(run);
  if (!timeout) return 1.5;
  return *timeout > 0 ? std::max(1.5, *timeout * 0.75) : 1e9;
}

std::string silence_text(const Run& run) {
  if (std::ranges::none_of(run.events, [](const Event& event) { return event.what == "heartbeat"; })) return "not seen";
  double most = -1;
  for (const Silence& one : silences(run)) most = std::max(most, one.seconds);
  return most < 0 ? "not for long" : at_text(most);
}

}  // namespace

Sort sort_of(std::string_view outcome) {
  if (outcome.size() == 3 && outcome[0] >= '1' && outcome[0] <= '3') return Sort::good;
  if (outcome == "gave-up" || outcome == "unanswered") return Sort::late;
  return outcome == "held" ? Sort::open : Sort::bad;
}

std::string at_text(double seconds) {
  if (std::abs(seconds) < 0.0005) return "0 s";
  if (std::abs(seconds) < 0.0995) return fmt::format("{:.0f} ms", seconds * 1000);
  return fmt::format("{:.{}f} s", seconds, std::abs(seconds) < 9.95 ? 2 : 1);
}

std::uint64_t whole(double value) { return value > 0 ? static_cast<std::uint64_t>(std::min(value, 9007199254740992.0)) : 0; }

std::vector<Silence> silences(const Run& run) {
  const double least = least_silence(run);
  std::vector<Silence> all;
  std::map<int, Silence> last;   // by machine pid: since when
  double end = 0;
  const auto close = [&](int pid, double at) {
    const auto found = last.find(pid);
    if (found == last.end()) return;
    if (at - found->second.since >= least) all.push_back({at - found->second.since, found->second.since, found->second.pid});
    last.erase(found);
  };
  for (const Event& event : run.events) {
    end = std::max(end, event.what == "triage" || event.what == "end" ? end : event.at);   // triage looks for seconds, in which nobody samples
    if (event.what == "worker-dead") close(machine_pid(event), event.at);
    if (event.what != "heartbeat") continue;
    close(machine_pid(event), event.at);
    last[machine_pid(event)] = {0, event.at, event.pid};
  }
  while (!last.empty()) close(last.begin()->first, end);
  std::ranges::sort(all, {}, &Silence::since);
  return all;
}

std::string line_of(const Told& told) { return told.message + " (" + told.rule + (told.count > 1 ? ", " + std::to_string(told.count) + " times" : "") + ")"; }

Story story_of(const Run& run) {
  Story story;
  Findings found = findings_in(run);
  story.findings = std::move(found.here);
  story.elsewhere = std::move(found.elsewhere);
  story.endings = endings_of(run);
  story.title = !story.findings.empty() && !story.findings.front().message.empty() ? story.findings.front().message : run.proves.empty() ? run.scenario : run.proves;
  story.title = base::printable(story.title, most_title);
  story.reproduced = run.passed();
  const auto seen = std::ranges::count_if(run.checks, &Checked::passed);
  if (!run.skipped.empty()) story.result = "not run: " + run.skipped;
  else if (!run.error.empty()) story.result = "could not be run: " + run.error;
  else if (run.checks.empty()) story.result = "nothing was expected";
  else story.result = (story.reproduced ? "reproduced: " : "not reproduced: ") + fmt::format("{} of {} expectations were met", seen, run.checks.size());
  story.happened = happened_in(run, story.endings);
  story.notable = notable_of(run, story.endings);
  if (story.notable.size() > most_notable) {
    story.left_out = story.notable.size() - most_notable;
    story.notable.resize(most_notable);
  }
  return story;
}

std::vector<Measure> compared(const Run& before, const Run& after) {
  std::vector<Measure> all;
  const auto add = [&](std::string what, std::string was, std::string is) { all.push_back({std::move(what), std::move(was), std::move(is)}); };
  const std::vector<Ending> was = endings_of(before), is = endings_of(after);
  std::set<std::string> loads;
  for (const Ending& one : was) loads.insert(one.load);
  for (const Ending& one : is) loads.insert(one.load);
  for (const std::string& load : loads) add("clients of " + load, clients_of(was, load), clients_of(is, load));
  for (const char* role : {"worker", "master", "child", "proxy"}) {
    const std::string what = std::string(role) + "-dead", first = deaths_of(before, what), second = deaths_of(after, what);
    if (std::string_view(role) == "worker" || first != second) add(std::string(role) + " deaths", first, second);
  }
  const auto rules = [](const Run& run) {
    std::string text;
    for (const Told& one : findings_in(run).here)
      if (one.level != "note") text += (text.empty() ? "" : ", ") + one.rule + (one.count > 1 ? fmt::format(" ({} times)", one.count) : "");
    return run.report.empty() ? std::string("not asked") : text.empty() ? "no fault" : text;
  };
  add("triage says", rules(before), rules(after));
  add("memory of a worker, at most", most_of(before, "memory", "worker"), most_of(after, "memory", "worker"));
  add("connections waiting, at most", most_of(before, "queue", ""), most_of(after, "queue", ""));
  add("no heartbeat, at most", silence_text(before), silence_text(after));
  std::erase_if(all, [](const Measure& one) { return one.before == "not seen" && one.after == "not seen"; });
  return all;
}

std::string judged(const Run& before, const Run& after) {
  if (!after.error.empty() || !after.skipped.empty()) return "It cannot be told whether the fix works: the second run " + (after.error.empty() ? "was not made: " + after.skipped : "failed: " + after.error) + ".";
  const std::vector<Told> was = findings_in(before).here, is = findings_in(after).here;
  if (was.empty() || after.report.empty()) return "Whether the fix works is to be read from the table: triage gave no verdict to compare.";
  const bool still = std::ranges::any_of(is, [&](const Told& one) { return one.rule == was.front().rule; });
  if (still) return "The fix does not remove the cause: triage says " + was.front().rule + " with it, too.";
  return "With the fix, triage no longer says " + was.front().rule + ".";
}

std::string command_of(const Run& run) {
  const bool ours = run.file.empty() || run.file == run.scenario + ".json";   // the program brings it along; a file of that name here is found by its path
  std::string text = "triage repro run " + shell_word(ours ? run.scenario : run.file);
  if (!run.server.empty()) text += " --server " + shell_word(run.server);
  if (run.scale != 1) text += fmt::format(" --scale {:g}", run.scale);
  if (run.seed != 1) text += " --seed " + std::to_string(run.seed);
  for (const std::string& one : run.set) text += " --set " + shell_word(one);
  return text;
}

Run redacted(const Run& run) {
  source::Redactor redactor;
  Run out = run;
  const auto clean = [&](std::string& text) {
    if (!text.empty()) text = redactor.text(text);
  };
  for (std::string* text : {&out.proves, &out.version, &out.error, &out.skipped, &out.report, &out.file}) clean(*text);
  for (auto* list : {&out.commands, &out.versions, &out.floors, &out.gaps, &out.set})
    for (std::string& text : *list) clean(text);
  for (Event& event : out.events) clean(event.text);
  for (Checked& check : out.checks) {
    clean(check.wanted);
    clean(check.seen);
  }
  return out;
}

}  // namespace reproduce

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "flavour/flavour.hpp"
#include "report/timeouts.hpp"
#include "source/redact.hpp"

namespace report {

namespace {

using base::printable;
using model::Group;
using model::Row;
using model::Term;

constexpr std::size_t most_locations = 5;

class Screen {
 public:
  Screen(std::string& out, std::size_t width) : out_(out), width_(width) {}

  std::size_t width() const { return width_; }
  void line(std::string_view text = {}) { out_ += text; out_ += '\n'; }
  // `lead` before the first line, blanks before the others.
  void wrapped(std::string_view lead, std::string_view text) {
    const std::string safe = printable(redactor_.text(std::string(text)), 4000);
    const std::string hang(lead.size(), ' ');
    bool first = true;
    for (const std::string& part : base::wrap(safe, width_ - std::min(lead.size(), width_ / 2))) {
      out_ += first ? std::string(lead) : hang;
      out_ += part;
      out_ += '\n';
      first = false;
    }
  }
  // Columns of fixed width, the last one takes the rest and is broken at blanks.
  void row(std::string_view indent, std::initializer_list<std::pair<std::string_view, std::size_t>> columns, std::string_view last) {
    std::string lead(indent);
    for (const auto& [text, size] : columns) {
      const std::string safe = printable(redactor_.text(std::string(text)), 200);
      lead += safe;
      lead += std::string(safe.size() < size ? size - safe.size() : 2, ' ');
    }
    const std::string safe = printable(redactor_.text(std::string(last)), 2000);
    std::size_t hang = indent.size();
    for (const auto& column : columns) hang += column.second;
    if (lead.size() > hang) {  // an overlong word pushes the rest to a line of its own
      out_ += lead.substr(0, lead.find_last_not_of(' ') + 1) + '\n';
      lead = std::string(hang, ' ');
    }
    if (safe.empty()) { out_ += lead.substr(0, lead.find_last_not_of(' ') + 1) + '\n'; return; }
    bool first = true;
    for (const std::string& part : base::wrap(safe, width_ - hang)) {
      out_ += first ? lead : std::string(hang, ' ');
      out_ += part;
      out_ += '\n';
      first = false;
    }
  }

 private:
  std::string& out_;
  std::size_t width_;
  source::Redactor redactor_;
};

std::string value_text(const Term& term) {
  std::string text;
  for (const model::Choice& choice : term.choices) {
    if (!choice.value.known() && base::contains(text, "unknown")) continue;
    if (!text.empty()) text += " or ";
    if (!choice.value.known()) text += "unknown";
    else if (choice.value.kind == model::Value::Kind::truth) text += choice.value.number != 0 ? "on" : "off";
    else if (choice.value.text.empty()) text += "\"\"";
    else text += choice.value.text + (term.unit == "s" && choice.value.kind == model::Value::Kind::number && choice.value.text.find_first_not_of("0123456789.") == std::string::npos ? "s" : "");
  }
  return text;
}

// How many routes of the group set this value elsewhere.
std::size_t elsewhere(const Timeouts& t, const Group& group, std::size_t station, std::size_t term) {
  std::size_t count = 0;
  const std::string& where = t.routes[group.routes.front()].stations[station].terms[term].where;
  for (const std::size_t route : group.routes) {
    const auto& stations = t.routes[route].stations;
    count += station < stations.size() && term < stations[station].terms.size() && stations[station].terms[term].where != where;
  }
  return count;
}

// The names alone: why they are unknown stands in the table of the chain, and under "not seen".
std::string depends_text(const std::vector<std::string>& depends) {
  std::string text;
  for (const std::string& one : depends) text += (text.empty() ? "; depends on " : ", ") + one.substr(0, one.find(", unknown"));
  return text;
}

void chain_table(Screen& screen, const Timeouts& t, const Group& group) {
  const model::Route& route = t.routes[group.routes.front()];
  // Columns as wide as what stands in them, so that most places fit beside.
  std::size_t hops = 3, limits = 5, values = 5;
  for (const model::Station& station : route.stations)
    for (const Term& term : station.terms) {
      if (!term.shown) continue;
      hops = std::max(hops, flavour::shown(station.flavour).size() + (station.version.empty() ? 0 : station.version.size() + 1));
      limits = std::max(limits, term.name.size());
      values = std::max(values, value_text(term).size());
    }
  hops = std::min<std::size_t>(hops, 16) + 2;
  limits = std::min<std::size_t>(limits, 29) + 2;
  values = std::min<std::size_t>(values, 14) + 2;
  screen.row("  ", {{"hop", hops}, {"limit", limits}, {"value", values}}, "set at");
  for (std::size_t s = 0; s < route.stations.size(); ++s) {
    const model::Station& station = route.stations[s];
    bool first = true;
    std::string why;                     // of the row before
    for (std::size_t k = 0; k < station.terms.size(); ++k) {
      const Term& term = station.terms[k];
      if (!term.shown) continue;
      const std::string hop = first ? std::string(flavour::shown(station.flavour)) + (station.version.empty() ? "" : " " + station.version) : "";
      first = false;
      const bool open = std::ranges::any_of(term.choices, [](const model::Choice& choice) { return !choice.value.known(); });
      std::string where = term.where;
      if (const std::size_t others = elsewhere(t, group, s, k); others > 0) where += " and " + base::counted(others, "other place");
      if (open && !term.why.empty()) where += (where.empty() ? "" : ": ") + (term.why == why && where.empty() ? "as above" : term.why);
      why = open ? term.why : "";
      if (term.choices.size() > 1)
        for (const model::Choice& choice : term.choices) if (!choice.when.empty()) where += "; " + (choice.value.known() ? choice.value.text : "unknown") + " when " + choice.when;
      // A place that does not fit beside the value stands below it, whole where it can.
      if (const std::size_t lead = 2 + hops + limits + values; lead + where.size() <= screen.width() || where.find(' ') != std::string::npos) screen.row("  ", {{hop, hops}, {term.name, limits}, {value_text(term), values}}, where);
      else { screen.row("  ", {{hop, hops}, {term.name, limits}, {value_text(term), values}}, ""); screen.wrapped("      ", where); }
    }
  }
}

// The rows of one phase, as a table with a share of traffic where there is one.
void table(Screen& screen, const std::vector<const Row*>& rows, std::string_view title, bool traffic) {
  if (rows.empty()) return;
  screen.line();
  screen.wrapped("  ", title);
  screen.row("    ", {{"takes", 17}}, traffic ? "share    the client gets" : "the client gets");
  for (const Row* row : rows) {
    std::string what = row->told;
    const std::string more = model::besides(*row);
    if (!more.empty()) what += " (" + more + ")";
    if (traffic && row->share >= 0) what = fmt::format("{:5.2f} %  ", row->share * 100) + what;
    screen.row("    ", {{model::span_text(row->from, row->to), 17}}, what + depends_text(row->depends));
  }
}

void outcomes(Screen& screen, const Timeouts& t, const model::Route& route, const Group& group) {
  std::vector<std::string> conditions;
  for (const Row& row : group.rows) if (std::ranges::find(conditions, row.when) == conditions.end()) conditions.push_back(row.when);
  for (const std::string& when : conditions) {
    if (!when.empty()) { screen.line(); screen.wrapped("  ", "WHEN " + when); }
    const auto of = [&](std::string_view phase, std::string_view method) {
      std::vector<const Row*> rows;
      for (const Row& row : group.rows) if (row.when == when && row.phase == phase && row.method == method) rows.push_back(&row);
      return rows;
    };
    for (const auto& [phase, words] : {std::pair{"wait", "the work until its answer begins"}, std::pair{"blocked", "work that blocks the worker's loop"}})
      for (const std::string_view method : {std::string_view("any"), std::string_view("GET"), std::string_view("POST"), std::string_view(t.method)}) {
        if (method.empty() || (method == t.method && (method == "GET" || method == "POST" || method == "any"))) continue;
        const std::string who = method == "any" ? "any method" : method == "POST" ? "POST, LOCK, PATCH" : method == "GET" ? (t.method.empty() ? "GET and every other method" : "GET") : std::string(method);
        table(screen, of(phase, method), who + ", " + words, t.traffic.any());
      }
    bool title = false;
    for (const Row& row : group.rows) {
      if (row.when != when || row.phase == "wait" || row.phase == "blocked") continue;
      const bool plain = row.client == std::vector<std::string>{"200"} && row.told == "200" && row.phase != "idle";
      if (plain) continue;
      if (!title) { screen.line(); screen.line("  other phases"); title = true; }
      std::string text = row.phase == "queue" || row.phase == "idle" ? row.told : model::span_text(row.from, row.to) + ": " + row.told;
      if (row.phase == "idle") text = row.method + " " + text;
      if (const std::string killed = model::killed_text(row); !killed.empty()) text += " (" + killed + ")";
      screen.row("    ", {{phase_text(row.phase), 17}}, text + depends_text(row.depends));
    }
  }
  (void)route;
}

void head(Screen& screen, const Timeouts& t, const Group& group) {
  const model::Route& route = t.routes[group.routes.front()];
  std::string title = route.location;
  if (!route.server_name.empty()) title += " of " + route.server_name;
  const model::Station* server = nullptr;
  for (const model::Station& station : route.stations) if (station.role == "server") server = &station;
  title += server ? " -> " + std::string(flavour::shown(server->flavour)) + " (" + server->name + ")" : " -> a server that is not in these files";
  screen.wrapped("", title);
  if (!route.guess.empty()) screen.wrapped("  ", "a guess: " + route.guess);
  if (group.routes.size() > 1) {
    std::string others;
    for (std::size_t i = 1; i < group.routes.size() && i < most_locations; ++i) others += (others.empty() ? "" : ", ") + t.routes[group.routes[i]].location;
    if (group.routes.size() > most_locations) others += fmt::format(" and {} more", group.routes.size() - most_locations);
    screen.wrapped("  ", "the same limits: " + others);
  }
}

void timelines(Screen& screen, const Timeouts& t, const model::Route& route) {
  model::Request request;
  if (!t.method.empty()) request.method = t.method;
  for (const model::Timeline& line : model::timeline(route, request, *t.duration)) {
    screen.line();
    screen.wrapped("  ", "One " + request.method + " of " + model::seconds_text(*t.duration) + (line.when.empty() ? "" : " when " + line.when) + ":");
    for (const model::Moment& moment : line.moments) screen.row("    ", {{moment.until - moment.at < 0.005 ? model::seconds_text(moment.at) : model::span_text(moment.at, moment.until), 17}}, moment.what);
    if (!line.depends.empty()) screen.row("    ", {{"", 17}}, "this" + depends_text(line.depends).substr(1));
  }
}

// Every limit that is a time, against what requests really take.
void traffic(Screen& screen, const Timeouts& t, const model::Route& route) {
  screen.line();
  screen.wrapped("  ", fmt::format("Traffic: {} with a time, half within {}, 99 % within {}, the slowest {}.", base::counted(t.traffic.rows, "row"), model::seconds_text(t.traffic.p50), model::seconds_text(t.traffic.p99), model::seconds_text(t.traffic.slowest)));
  for (const model::Station& station : route.stations)
    for (const Term& term : station.terms) {
      const bool counts = term.name.ends_with("_read_timeout") || term.name == "timeout" || term.name == "harakiri" || term.name == "request_terminate_timeout" || term.name == "graceful_timeout" || station.role == "balancer";
      if (!counts || term.choices.size() != 1 || !term.choices.front().value.known() || term.choices.front().value.number <= 0) continue;
      const double limit = term.choices.front().value.number;
      screen.row("    ", {{term.name, 29}, {model::seconds_text(limit), 9}}, fmt::format("{:.1f} times P50, {:.1f} times P99{}", limit / std::max(t.traffic.p50, 1e-3), limit / std::max(t.traffic.p99, 1e-3), limit < t.traffic.slowest ? ", and the slowest passed it" : ""));
    }
}

}  // namespace

std::string_view phase_text(std::string_view phase) {
  if (phase == "wait") return "the wait for the header";
  if (phase == "blocked") return "work that blocks";
  if (phase == "body") return "answer, a pause";
  if (phase == "answer") return "answer, in all";
  if (phase == "upload") return "upload, a pause";
  if (phase == "idle") return "kept connection";
  if (phase == "queue") return "a burst";
  if (phase == "stop") return "a stop";
  if (phase == "reload") return "a reload";
  return phase;
}

std::string timeouts_text(const Timeouts& t, const TextOf& text_of, const Looked& looked, const Style& style) {
  std::string out;
  Screen screen(out, std::max<std::size_t>(style.width, 60));
  if (!style.quiet) {
    for (const std::string& set : t.set) screen.wrapped("what if: ", set);
    for (const Group& group : t.groups) {
      const model::Route& route = t.routes[group.routes.front()];
      head(screen, t, group);
      chain_table(screen, t, group);
      if (t.duration) timelines(screen, t, route);
      else outcomes(screen, t, route, group);
      if (t.traffic.any()) traffic(screen, t, route);
      screen.line();
    }
    if (!t.against.empty()) {
      screen.wrapped("", "Against " + t.against + ":");
      for (const Difference& one : t.differences)
        screen.row("  ", {{one.span, 17}}, one.location + ", " + (one.method == "any" ? "" : one.method + ", ") + std::string(phase_text(one.phase)) + ": " + one.before + " -> " + one.after);
      if (t.differences.empty()) screen.line("  nothing that a client sees is different");
      screen.line();
    }
    for (const std::string& line : t.advice) screen.wrapped("advice: ", line);
    if (!t.advice.empty()) screen.line();
  }
  out += frames(t.findings, t.open, t.gaps, text_of, looked, style);
  return out;
}

}  // namespace report

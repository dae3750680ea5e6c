// Celery's settings as Python holds them, by tokens: what is a name of Celery's and is given a value, in whichever of the ways people write it.
// Nothing is run; a value that is no literal or arithmetic is kept as its source, which reads as no number.
#include <algorithm>
#include <array>

#include "base/text.hpp"
#include "parse/python/expression.hpp"
#include "parse/settings/document.hpp"

namespace parse::settings {

namespace {

using python::Kind;
using python::Token;
using std::string_view_literals::operator""sv;

constexpr std::size_t most_entries = 20'000, most_tokens = 200'000;

// The names of Celery 3 and of Django's namespace, in those of Celery 4.
std::string canonical(std::string_view name) {
  std::string lower;
  for (const char c : name) lower += static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  constexpr std::pair<std::string_view, std::string_view> old[] = {{"celery_acks_late", "task_acks_late"}, {"celeryd_task_time_limit", "task_time_limit"}, {"celeryd_task_soft_time_limit", "task_soft_time_limit"}, {"broker_transport_options", "broker_transport_options"}, {"celery_broker_transport_options", "broker_transport_options"}};
  for (const auto& [from, to] : old)
    if (lower == from) return std::string(to);
  return base::starts_with(lower, "celery_") ? lower.substr(7) : lower;
}

bool is_setting(std::string_view name) {
  constexpr std::array names{"task_acks_late"sv, "task_reject_on_worker_lost"sv, "task_time_limit"sv, "task_soft_time_limit"sv, "broker_url"sv, "visibility_timeout"sv, "broker_transport_options"sv, "worker_prefetch_multiplier"sv, "task_annotations"sv};
  return std::ranges::find(names, name) != names.end();
}

bool is_of_task(std::string_view name) { return name == "acks_late" || name == "reject_on_worker_lost" || name == "time_limit" || name == "soft_time_limit"; }

class Reader {
 public:
  Reader(std::string_view text, Document& document) : text_(text), tokens_(python::tokens_of(text, most_tokens).all), document_(document) {
    for (std::size_t i = 0; i < text.size(); ++i)
      if (text[i] == '\n') starts_.push_back(i + 1);
  }

  void run() {
    std::vector<std::string> calls;  // of each open bracket: what stands in front of it, and its line for a task's
    for (std::size_t i = 0; i + 1 < tokens_.size() && document_.entries.size() < most_entries; ++i) {
      const Token& token = tokens_[i];
      if (token.kind == Kind::mark && (token.text == "(" || token.text == "[" || token.text == "{")) {
        std::string callee = token.text == "(" && i > 0 && tokens_[i - 1].kind == Kind::name ? std::string(tokens_[i - 1].text) : "";
        if (callee == "Celery" || callee == "config_from_object") put("", callee, i - 1, i - 1);
        const bool task = callee == "shared_task" || (callee == "task" && i > 1 && tokens_[i - 2].text == ".");
        calls.push_back(task ? "task" + std::to_string(token.line) : callee);
      } else if (token.kind == Kind::mark && (token.text == ")" || token.text == "]" || token.text == "}")) {
        if (!calls.empty()) calls.pop_back();
      } else if (token.kind == Kind::name || token.kind == Kind::text) {
        const Token& next = tokens_[i + 1];
        const bool named = token.kind == Kind::name && next.text == "=", keyed = token.kind == Kind::text && next.text == ":";
        if (!named && !keyed) {
          // app.conf["task_acks_late"] = True
          if (token.kind == Kind::text && next.text == "]" && i + 2 < tokens_.size() && tokens_[i + 2].text == "=") value(python::literal_of(token.text).value, "", i, i + 3);
          continue;
        }
        const std::string name = keyed ? python::literal_of(token.text).value : std::string(token.text);
        const bool task = !calls.empty() && base::starts_with(calls.back(), "task");
        value(name, task ? calls.back() : "", i, i + 2);
      }
    }
  }

 private:
  void value(const std::string& name, const std::string& task, std::size_t key, std::size_t from) {
    // Celery("proj", broker="redis://...")
    const std::string plain = !task.empty() ? name : name == "broker" ? "broker_url" : canonical(name);
    if (task.empty() ? !is_setting(plain) : !is_of_task(plain)) return;
    std::size_t to = from;
    const auto found = python::condition(tokens_, to, {});
    if (to <= from) return;
    const Token& first = tokens_[from];
    const Token& last = tokens_[to - 1];
    const bool one = found.size() == 1 && found.front().value.known() && found.front().value.kind != python::Value::Kind::dict;
    const std::size_t end = last.at + last.text.size();
    std::string shown = one ? python::shown(found.front().value) : std::string(text_.substr(first.at, std::min<std::size_t>(end - first.at, 200)));
    document_.entries.push_back({task, plain, std::move(shown), place(tokens_[key].at, tokens_[key].at + tokens_[key].text.size()), place(first.at, end)});
  }

  void put(std::string section, std::string key, std::size_t from, std::size_t to) {
    const Place at = place(tokens_[from].at, tokens_[to].at + tokens_[to].text.size());
    document_.entries.push_back({std::move(section), std::move(key), "", at, at});
  }

  Place place(std::size_t at, std::size_t end) const {
    const auto line = std::ranges::upper_bound(starts_, at) - starts_.begin();
    return {static_cast<std::uint32_t>(line), static_cast<std::uint32_t>(at - starts_[static_cast<std::size_t>(line - 1)]) + 1, at, end};
  }

  std::string_view text_;
  std::vector<std::size_t> starts_{0};  // of its lines: files of 10 MB have many settings on one of them
  std::vector<Token> tokens_;
  Document& document_;
};

}  // namespace

Document read_celery(std::string_view text) {
  Document document;
  document.dialect = Dialect::celery;
  Reader(text, document).run();
  return document;
}

}  // namespace parse::settings

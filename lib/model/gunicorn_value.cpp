#include "model/gunicorn_value.hpp"

#include <algorithm>
#include <array>

#include "base/text.hpp"
#include "flavour/gunicorn_settings.hpp"

namespace model {

namespace {

using std::string_view_literals::operator""sv;

constexpr std::array numbers{"backlog"sv, "workers"sv, "threads"sv, "worker_connections"sv, "max_requests"sv, "max_requests_jitter"sv, "timeout"sv, "graceful_timeout"sv, "keepalive"sv, "limit_request_line"sv,
                             "limit_request_fields"sv, "limit_request_field_size"sv, "dirty_workers"sv, "dirty_timeout"sv, "dirty_threads"sv, "dirty_graceful_timeout"sv, "asgi_disconnect_grace_period"sv};
constexpr std::array truths{"reload"sv, "spew"sv, "check_config"sv, "print_config"sv, "preload_app"sv, "reuse_port"sv, "daemon"sv, "initgroups"sv, "capture_output"sv, "control_socket_disable"sv};
constexpr std::array lists{"bind"sv, "raw_env"sv, "reload_extra_files"sv};

bool is_number(std::string_view name) { return std::ranges::find(numbers, name) != numbers.end(); }
bool is_truth(std::string_view name) { return std::ranges::find(truths, name) != truths.end(); }
bool is_list(std::string_view name) { return std::ranges::find(lists, name) != lists.end(); }

Value parsed(std::string_view name, const std::string& text) {
  if (is_number(name)) {
    const auto number = base::read_number(base::trim(text));
    return number ? number_value(static_cast<double>(*number), text) : unknown_value();
  }
  if (is_truth(name)) return truth_value(text == "True" || text == "true" || text == "1");
  if (is_list(name)) {
    std::vector<std::string> items;
    for (const auto part : base::split(text, ',')) if (!base::trim(part).empty()) items.emplace_back(base::trim(part));
    return list_value(std::move(items));
  }
  if (text == "None") { Value none; none.kind = Value::Kind::none; none.text = text; return none; }
  return text_value(text);
}

}  // namespace

Choices gunicorn_choices(std::string_view name, const std::string& text) {
  const auto dollar = text.find('$');
  const bool placeholder = base::contains(text, "%(") && name != "access_log_format";  // supervisor's %(ENV_X)s
  const bool specifier = name == "bind" && base::contains(text, "%");
  if (dollar == std::string::npos && !placeholder && !specifier && text.find('`') == std::string::npos) return {{parsed(name, text), "", {}, From::configured}};
  if (name == "access_log_format") return {{text_value(text), "", {}, From::configured}};
  if (dollar != std::string::npos && base::starts_with(std::string_view(text).substr(dollar), "${")) {
    const auto close = text.find('}', dollar);
    const std::string inside = text.substr(dollar + 2, close == std::string::npos ? std::string::npos : close - dollar - 2);
    const auto mark = inside.find(":-") != std::string::npos ? inside.find(":-") : inside.find('-');
    if (close != std::string::npos && mark != std::string::npos) {
      const std::string fallback = inside.substr(inside[mark] == ':' ? mark + 2 : mark + 1), variable = inside.substr(0, mark);
      const std::string whole = text.substr(0, dollar) + fallback + text.substr(close + 1);
      if (whole.find('$') == std::string::npos) return {{unknown_value(), variable + " is set", {}, From::configured}, {parsed(name, whole), variable + " is not set", {}, From::configured}};
    }
  }
  Value open = unknown_value();
  open.text = text;
  if (is_list(name)) open.items = {text};
  return {{std::move(open), "", {}, From::configured}};
}

Value gunicorn_value(std::string_view name, const parse::python::Value& value) {
  using Kind = parse::python::Value::Kind;
  switch (value.kind) {
    case Kind::unknown: return unknown_value();
    case Kind::processors: {
      Value open = unknown_value();
      open.text = parse::python::shown(value);
      open.of_cores = true;
      return open;
    }
    case Kind::none: { Value none; none.kind = Value::Kind::none; none.text = "None"; return none; }
    case Kind::boolean: return is_number(name) ? number_value(static_cast<double>(value.number)) : truth_value(value.number != 0);
    case Kind::integer: return is_truth(name) ? truth_value(value.number != 0) : number_value(static_cast<double>(value.number));
    case Kind::real: return number_value(value.real);
    case Kind::text: return parsed(name, value.text);
    case Kind::list:
    case Kind::tuple: {
      std::vector<std::string> items;
      bool open = false;
      for (const auto& item : value.items) {
        open = open || !item.known();
        items.push_back(parse::python::shown(item));
      }
      Value all = list_value(std::move(items));
      if (open) all.kind = Value::Kind::unknown;
      return all;
    }
    case Kind::dict: return text_value(parse::python::shown(value));
  }
  return unknown_value();
}

std::string class_kind(std::string_view name) {
  if (base::starts_with(name, "egg:gunicorn#")) name.remove_prefix(13);
  for (const auto plain : {"sync"sv, "gthread"sv, "gevent"sv, "eventlet"sv, "tornado"sv, "asgi"sv}) if (name == plain) return std::string(plain);
  if (name == "gevent_wsgi" || name == "gevent_pywsgi" || base::contains(name, "ggevent") || base::contains(name, "GeventWebSocketWorker")) return "gevent";
  if (base::contains(name, "UvicornWorker") || base::contains(name, "UvicornH11Worker")) return "uvicorn";
  if (base::contains(name, "SyncWorker")) return "sync";
  if (base::contains(name, "ThreadWorker")) return "gthread";
  if (base::contains(name, "EventletWorker")) return "eventlet";
  if (base::contains(name, "ASGIWorker")) return "asgi";
  return "";
}

Value gunicorn_default(std::string_view name, std::string_view version) {
  const auto numbers_of = flavour::read_version(version);
  Value last = unknown_value();
  for (const auto& row : flavour::gunicorn_settings_table()) {
    if (row.name != name || row.takes == flavour::Takes::hook) continue;
    if (!numbers_of.known() ? row.until.empty() : flavour::holds_for(row.since, row.until, numbers_of)) last = parsed(name, std::string(row.value));
  }
  return last;
}

}  // namespace model

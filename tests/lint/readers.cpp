// What our readers of Python, Ruby and nginx make of files, one JSON line each, for the comparison with Python, Ruby and nginx themselves
// (readers_oracle.py, nginx_files.py).
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "parse/nginx/tree.hpp"
#include "parse/python/bindings.hpp"
#include "parse/settings/document.hpp"
#include "source/live_host.hpp"

namespace {

using parse::python::Value;
using Json = nlohmann::json;

Json as_json(const Value& value) {
  const auto items = [&] { Json all = Json::array(); for (const Value& one : value.items) all.push_back(as_json(one)); return all; };
  switch (value.kind) {
    case Value::Kind::none: return {{"none", true}};
    case Value::Kind::boolean: return {{"boolean", value.number != 0}};
    case Value::Kind::integer: return {{"integer", value.number}};
    case Value::Kind::real: return {{"real", value.real}};
    case Value::Kind::text: return {{"text", value.text}};
    case Value::Kind::list: return {{"list", items()}};
    case Value::Kind::tuple: return {{"tuple", items()}};
    case Value::Kind::dict: return {{"dict", items()}};
    case Value::Kind::processors: return {{"processors", {value.number, value.plus}}};
    case Value::Kind::unknown: break;
  }
  return {{"unknown", true}};
}

}  // namespace

int main(int count, char** words) {
  for (int i = 1; i < count; ++i) {
    std::ifstream file(words[i], std::ios::binary);
    std::ostringstream text;
    text << file.rdbuf();
    const std::string path = words[i], source = text.str();
    Json out{{"file", path}};
    if (path.ends_with("/nginx.conf")) {
      const source::LiveHost host;
      const auto tree = parse::nginx::read_tree(host, "", path);
      out["files"] = tree.files;
      out["missing"] = tree.missing;
      out["wrong"] = tree.wrong.size();
    } else if (path.ends_with(".rb")) {
      const bool unicorn = source.find("worker_processes") != std::string::npos;
      const auto document = parse::settings::read_ruby(source, unicorn ? parse::settings::Dialect::unicorn : parse::settings::Dialect::puma);
      out["wrong"] = !document.wrong.empty();
      out["calls"] = Json::array();
      for (const auto& entry : document.entries) out["calls"].push_back({{"name", entry.key}, {"value", entry.value}, {"line", entry.key_at.line}, {"branch", !entry.section.empty()}});
    } else {
      const auto bindings = parse::python::bindings_of(source);
      out["wrong"] = bindings.wrong_line;
      out["stars"] = bindings.star_imports.size();
      out["names"] = Json::object();
      for (const auto& name : bindings.names) {
        Json values = Json::array();
        for (const auto& bound : name.values) values.push_back({{"value", as_json(bound.value)}, {"when", bound.condition}, {"absent", bound.absent}, {"line", bound.at.line}});
        out["names"][name.name] = std::move(values);
      }
    }
    std::cout << out.dump(-1, ' ', true, Json::error_handler_t::replace) << "\n";
  }
}

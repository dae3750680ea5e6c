// uwsgi's configurations beside its ini: XML, YAML and JSON. Its XML is elements with text below <uwsgi>; of attributes only `mode` matters (the
// element holds in that mode only, and is passed over). So little is read here that a library would bring more than it spares
// (docs/decisions/0006-lint.md); YAML and JSON are read as YAML.
#include <cctype>

#include "base/text.hpp"
#include "parse/settings/document.hpp"
#include "parse/settings/yaml.hpp"

namespace parse::settings {

namespace {

constexpr std::size_t most_entries = 20'000, deepest = 64, longest_value = 65'536;

std::string plain(std::string_view text) {
  struct Entity { std::string_view name; char is; };
  constexpr Entity entities[] = {{"&lt;", '<'}, {"&gt;", '>'}, {"&amp;", '&'}, {"&quot;", '"'}, {"&apos;", '\''}};
  std::string out;
  while (!text.empty() && out.size() < longest_value) {
    const Entity* found = nullptr;
    for (const Entity& one : entities) if (base::starts_with(text, one.name)) found = &one;
    out += found ? found->is : text.front();
    text.remove_prefix(found ? found->name.size() : 1);
  }
  return out;
}

Document read_xml(std::string_view text) {
  Document document;
  std::vector<std::string> open;
  const auto wrong = [&](std::size_t at, std::string what) {
    if (document.wrong.empty()) document.wrong.push_back({place_at(text, at, at + 1), std::move(what)});
  };
  for (auto at = text.find('<'); at != std::string_view::npos; at = text.find('<', at)) {
    const std::string_view rest = text.substr(at);
    if (base::starts_with(rest, "<!--") || base::starts_with(rest, "<?") || base::starts_with(rest, "<!")) {
      const std::string_view closes = base::starts_with(rest, "<!--") ? "-->" : base::starts_with(rest, "<?") ? "?>" : ">";
      const auto end = text.find(closes, at + 2);
      if (end == std::string_view::npos) { wrong(at, "this is not closed"); break; }
      at = end + closes.size();
      continue;
    }
    const auto end = text.find('>', at);
    if (end == std::string_view::npos) { wrong(at, "the tag is not closed"); break; }
    const bool closing = base::starts_with(rest, "</"), empty = text[end - 1] == '/';
    const std::size_t from = at + 1 + closing;
    std::size_t name_end = from;
    while (name_end < end && (std::isalnum(static_cast<unsigned char>(text[name_end])) != 0 || base::contains("-_.:", text.substr(name_end, 1)))) ++name_end;
    const std::string name(text.substr(from, name_end - from));
    at = end + 1;
    if (closing) {
      if (open.empty() || open.back() != name) { wrong(from, "</" + name + "> closes nothing"); break; }
      open.pop_back();
      continue;
    }
    if (name.empty()) { wrong(from, "a tag without a name"); break; }
    const bool of_a_mode = base::contains(text.substr(name_end, end - name_end), "mode=");
    if (!open.empty() && open.back() == "uwsgi" && !of_a_mode && document.entries.size() < most_entries) {
      const auto stop = std::min(text.find('<', at), text.size());
      const std::string_view value = empty ? std::string_view{} : base::trim(text.substr(at, stop - at));
      const std::size_t value_at = value.empty() ? at : static_cast<std::size_t>(value.data() - text.data());
      document.entries.push_back({"uwsgi", name, plain(value), {}, {}});
      // Places are told once all is read: each is counted from the one before.
      document.entries.back().key_at.at = from;
      document.entries.back().key_at.end = name_end;
      document.entries.back().value_at.at = value_at;
      document.entries.back().value_at.end = value_at + value.size();
    }
    if (empty) continue;
    if (open.size() == deepest) { wrong(from, "elements too deep in one another"); break; }
    open.push_back(name);
  }
  if (!open.empty()) wrong(text.size(), "<" + open.back() + "> is not closed");
  std::uint32_t line = 1;
  std::size_t counted = 0, line_at = 0;
  const auto place = [&](Place& at) {
    for (; counted < at.at; ++counted)
      if (text[counted] == '\n') { ++line; line_at = counted + 1; }
    at.line = line;
    at.column = static_cast<std::uint32_t>(at.at - line_at) + 1;
  };
  for (Entry& entry : document.entries) {
    place(entry.key_at);
    place(entry.value_at);
  }
  return document;
}

Document read_tree(std::string_view text) {
  Document document;
  const YamlFile file = read_yaml(text);
  document.wrong = file.wrong;
  const auto add = [&](const YamlMember& member, const Yaml& value) {
    if (value.shape != Yaml::Shape::list && value.shape != Yaml::Shape::map && document.entries.size() < most_entries) document.entries.push_back({"uwsgi", member.key, value.text, member.key_at, value.at});
  };
  for (const Yaml& one : file.documents)
    if (const Yaml* settings = one.find("uwsgi"))
      for (const YamlMember& member : settings->members) {
        add(member, member.value);
        for (const Yaml& item : member.value.items) add(member, item);
      }
  return document;
}

}  // namespace

Document read_uwsgi(std::string_view text) {
  const std::string_view begin = base::trim(text);
  const bool ini = base::starts_with(begin, "[") || base::contains(text, "\n[uwsgi]");
  Document document = ini ? read_ini(text, Dialect::uwsgi) : base::starts_with(begin, "<") ? read_xml(text) : read_tree(text);
  document.dialect = Dialect::uwsgi;
  return document;
}

}  // namespace parse::settings

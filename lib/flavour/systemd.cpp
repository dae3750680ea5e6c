#include "flavour/systemd.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "base/text.hpp"

namespace flavour {

namespace {

// path-lookup.c, lookup_paths_init() for the system manager; /lib is the same as /usr/lib where that is merged.
constexpr std::array<std::string_view, 13> folders{"/etc/systemd/system.control",    "/run/systemd/system.control",  "/run/systemd/transient",    "/run/systemd/generator.early", "/etc/systemd/system",
                                                   "/etc/systemd/system.attached",   "/run/systemd/system",          "/run/systemd/system.attached", "/run/systemd/generator",     "/usr/local/lib/systemd/system",
                                                   "/usr/lib/systemd/system",        "/lib/systemd/system",          "/run/systemd/generator.late"};
constexpr std::array<std::string_view, 5> of_manager{"/etc/systemd/system.conf.d", "/run/systemd/system.conf.d", "/usr/local/lib/systemd/system.conf.d", "/usr/lib/systemd/system.conf.d", "/lib/systemd/system.conf.d"};

std::string_view folder_of(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? std::string_view{} : path.substr(0, slash);
}
std::string_view name_of(std::string_view path) { return path.substr(path.rfind('/') + 1); }

// A copy may stand below any root. What stands in no folder of systemd's (a repository) counts like what an administrator wrote.
std::size_t rank_of(std::string_view folder) {
  for (std::size_t i = 0; i < folders.size(); ++i)
    if (folder.ends_with(folders[i])) return i;
  return 4;
}

struct Scale { std::string_view word; double factor; };
// man systemd.time.
constexpr std::array<Scale, 34> scales{{{"seconds", 1}, {"second", 1}, {"sec", 1}, {"s", 1}, {"minutes", 60}, {"minute", 60}, {"min", 60}, {"m", 60}, {"msec", 1e-3}, {"ms", 1e-3}, {"usec", 1e-6}, {"us", 1e-6},
                                        {"nsec", 1e-9}, {"ns", 1e-9}, {"hours", 3600}, {"hour", 3600}, {"hr", 3600}, {"h", 3600}, {"days", 86400}, {"day", 86400}, {"d", 86400}, {"weeks", 604800}, {"week", 604800},
                                        {"w", 604800}, {"months", 2629800}, {"month", 2629800}, {"M", 2629800}, {"years", 31557600}, {"year", 31557600}, {"y", 31557600}, {"\xc2\xb5s", 1e-6}, {"\xce\xbcs", 1e-6}, {"msecs", 1e-3}, {"", 1}}};

// The number at the front; its length is 0 when there is none.
std::size_t number_at(std::string_view text, double& value) {
  std::size_t size = 0;
  while (size < text.size() && ((text[size] >= '0' && text[size] <= '9') || text[size] == '.')) ++size;
  if (size == 0) return 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + size, value, std::chars_format::fixed);
  return failure == std::errc() ? static_cast<std::size_t>(end - text.data()) : 0;
}

}  // namespace

std::span<const std::string_view> unit_folders() { return folders; }
std::span<const std::string_view> manager_folders() { return of_manager; }

std::vector<std::string> unit_names(std::string_view unit) {
  std::vector<std::string> names{std::string(unit)};
  const std::size_t at = unit.find('@'), dot = unit.rfind('.');
  if (at != std::string_view::npos && dot != std::string_view::npos && dot > at + 1) names.push_back(std::string(unit.substr(0, at + 1)) + std::string(unit.substr(dot)));
  return names;
}

std::vector<std::string> drop_in_folders(std::string_view unit) {
  std::vector<std::string> all;
  const std::size_t dot = unit.rfind('.');
  if (dot == std::string_view::npos) return all;
  const auto type = unit.substr(dot);
  for (const auto& name : unit_names(unit)) all.push_back(name + ".d");
  // "a-b-c.service" also has "a-b-.service.d" and "a-.service.d".
  auto stem = unit.substr(0, std::min(dot, unit.find('@')));
  while (stem.size() > 1 && all.size() < 40) {
    const std::size_t dash = stem.substr(0, stem.size() - 1).rfind('-');
    if (dash == std::string_view::npos) break;
    stem = stem.substr(0, dash + 1);
    all.push_back(std::string(stem) + std::string(type) + ".d");
  }
  all.push_back(std::string(type.substr(1)) + ".d");
  return all;
}

std::vector<std::string> files_of_unit(const std::vector<std::string>& paths, std::string_view unit) {
  const auto names = unit_names(unit);
  const auto drop_ins = drop_in_folders(unit);
  const std::string* own = nullptr;
  std::size_t own_name = 0, own_rank = 0;
  struct DropIn { std::string_view name; std::size_t common, rank, folder; const std::string* path; };
  std::vector<DropIn> found;
  for (const auto& path : paths) {
    const auto folder = folder_of(path), name = name_of(path);
    if (const auto at = std::find(names.begin(), names.end(), name); at != names.end()) {
      const auto which = static_cast<std::size_t>(at - names.begin());
      const std::size_t rank = rank_of(folder);
      if (!own || which < own_name || (which == own_name && rank < own_rank)) { own = &path; own_name = which; own_rank = rank; }
    } else if (const auto in = std::find(drop_ins.begin(), drop_ins.end(), name_of(folder)); in != drop_ins.end() && name.ends_with(".conf")) {
      const auto which = static_cast<std::size_t>(in - drop_ins.begin());
      found.push_back({name, which + 1 == drop_ins.size() ? 1u : 0u, rank_of(folder_of(folder)), which, &path});
    }
  }
  std::stable_sort(found.begin(), found.end(), [](const DropIn& a, const DropIn& b) {
    if (a.name != b.name) return a.name < b.name;
    if (a.common != b.common) return a.common < b.common;
    return a.rank != b.rank ? a.rank < b.rank : a.folder < b.folder;
  });
  std::vector<std::string> files;
  if (own) files.push_back(*own);
  for (std::size_t i = 0; i < found.size(); ++i)
    if (i == 0 || found[i].name != found[i - 1].name) files.push_back(*found[i].path);
  return files;
}

std::optional<double> systemd_seconds(std::string_view text) {
  text = base::trim(text);
  if (text == "infinity") return HUGE_VAL;
  if (text.empty()) return std::nullopt;
  double sum = 0;
  while (!text.empty()) {
    double value = 0;
    const std::size_t digits = number_at(text, value);
    if (digits == 0) return std::nullopt;
    text = base::trim(text.substr(digits));
    std::size_t letters = 0;
    while (letters < text.size() && text[letters] != ' ' && text[letters] != '\t' && text[letters] != '.' && (text[letters] < '0' || text[letters] > '9')) ++letters;
    const auto scale = std::find_if(scales.begin(), scales.end(), [&](const Scale& one) { return one.word == text.substr(0, letters); });
    if (scale == scales.end()) return std::nullopt;
    sum += value * scale->factor;
    text = base::trim(text.substr(letters));
  }
  return sum;
}

std::optional<std::uint64_t> systemd_bytes(std::string_view text) {
  text = base::trim(text);
  if (text == "infinity") return UINT64_MAX;
  double value = 0;
  const std::size_t digits = number_at(text, value);
  if (digits == 0) return std::nullopt;
  const auto word = base::trim(text.substr(digits));
  static constexpr std::string_view powers = "BKMGTPE";
  const std::size_t power = word.empty() ? 0 : powers.find(word[0]);
  if (power == std::string_view::npos || word.size() > 1) return std::nullopt;
  const double bytes = value * std::pow(1024.0, static_cast<double>(power));
  if (!(bytes < 9e18)) return std::nullopt;
  return static_cast<std::uint64_t>(bytes);
}

std::optional<std::uint64_t> systemd_limit(std::string_view text) {
  text = base::trim(text);
  const auto soft = text.substr(0, text.find(':'));
  if (soft == "infinity") return UINT64_MAX;
  const auto number = base::read_number(soft);
  if (!number || *number < 0) return std::nullopt;
  return static_cast<std::uint64_t>(*number);
}

std::optional<bool> systemd_truth(std::string_view text) {
  text = base::trim(text);
  for (const auto word : {"1", "yes", "y", "true", "t", "on"})
    if (text == word) return true;
  for (const auto word : {"0", "no", "n", "false", "f", "off"})
    if (text == word) return false;
  return std::nullopt;
}

}  // namespace flavour

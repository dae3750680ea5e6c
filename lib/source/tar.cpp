#include "source/tar.hpp"

#include <fmt/format.h>
#include <zstd.h>

#include <algorithm>
#include <cstring>
#include <memory>

#include "base/text.hpp"

namespace source {

namespace {

constexpr std::size_t block = 512;

base::Error bad(std::string answer) { return {base::Kind::malformed, "reading the bundle", std::move(answer), "give what `triage bundle` wrote, undamaged", 0}; }

std::size_t padded(std::size_t size) { return (size + block - 1) / block * block; }

// A number of a header: octal digits, ended by a blank or NUL; GNU's base-256 form for what does not fit.
std::optional<std::uint64_t> number(std::string_view field) {
  std::uint64_t value = 0;
  if (!field.empty() && (static_cast<unsigned char>(field[0]) & 0x80)) {
    for (std::size_t i = 1; i < field.size(); ++i) {
      if (value >> 55) return std::nullopt;
      value = value << 8 | static_cast<unsigned char>(field[i]);
    }
    return value;
  }
  bool any = false;
  for (const char c : field) {
    if (c == ' ' && !any) continue;
    if (c == ' ' || c == '\0') break;
    if (c < '0' || c > '7') return std::nullopt;
    value = value * 8 + static_cast<std::uint64_t>(c - '0');
    any = true;
  }
  return value;
}

std::string_view text_in(std::string_view header, std::size_t at, std::size_t size) {
  const auto field = header.substr(at, size);
  return field.substr(0, std::min(field.find('\0'), field.size()));
}

// "" for a name that would lead out of the archive.
std::string safe(std::string_view name) {
  std::string out;
  for (const auto part : base::split(name, '/')) {
    if (part.empty() || part == ".") continue;
    if (part == "..") return {};
    if (!out.empty()) out += '/';
    out += part;
  }
  return out;
}

// A pax header: "27 path=some/name\n"; only the path counts here.
std::string pax_path(std::string_view text) {
  std::string path;
  while (!text.empty()) {
    std::string_view rest = text;
    const auto length = base::take_number(rest);
    if (!length || *length <= 0 || static_cast<std::size_t>(*length) > text.size() || rest.empty() || rest[0] != ' ') break;
    const auto record = text.substr(0, static_cast<std::size_t>(*length));
    if (const auto value = base::between(record, " path=", "\n")) path = std::string(*value);
    text.remove_prefix(static_cast<std::size_t>(*length));
  }
  return path;
}

}  // namespace

void TarWriter::header(std::string_view name, std::size_t size, char kind, std::int64_t mtime) {
  std::string head(block, '\0');
  const auto put = [&](std::size_t at, std::string_view text) { std::copy(text.begin(), text.end(), head.begin() + static_cast<std::ptrdiff_t>(at)); };
  put(0, name.substr(0, 100));
  put(100, "0000600");
  put(108, "0000000");
  put(116, "0000000");
  put(124, fmt::format("{:011o}", size));
  put(136, fmt::format("{:011o}", std::max<std::int64_t>(0, mtime)));
  put(148, "        ");
  head[156] = kind;
  put(257, std::string_view("ustar\0" "00", 8));
  unsigned sum = 0;
  for (const char c : head) sum += static_cast<unsigned char>(c);
  put(148, fmt::format("{:06o}", sum));
  head[154] = '\0';
  bytes_ += head;
}

void TarWriter::add(std::string_view name, std::string_view bytes, std::int64_t mtime) {
  if (name.size() > 100) {
    header("././@LongLink", name.size() + 1, 'L', 0);
    bytes_ += name;
    bytes_.resize(bytes_.size() + padded(name.size() + 1) - name.size(), '\0');
  }
  header(name, bytes.size(), '0', mtime);
  bytes_ += bytes;
  bytes_.resize(bytes_.size() + padded(bytes.size()) - bytes.size(), '\0');
}

base::Result<std::string> TarWriter::finish() {
  bytes_.resize(bytes_.size() + 2 * block, '\0');
  std::string packed(ZSTD_compressBound(bytes_.size()), '\0');
  const std::size_t size = ZSTD_compress(packed.data(), packed.size(), bytes_.data(), bytes_.size(), 3);
  if (ZSTD_isError(size)) return base::fail({base::Kind::internal, "compressing the bundle", ZSTD_getErrorName(size), "", 0});
  packed.resize(size);
  bytes_.clear();
  return packed;
}

base::Result<std::map<std::string, std::string>> read_tar(Stream& stream, const TarLimits& limits) {
  std::map<std::string, std::string> files;
  std::size_t total = 0;
  std::string long_name;
  const auto fill = [&](std::string& into, std::size_t size) -> base::Result<bool> {
    into.clear();
    while (into.size() < size) {
      const std::size_t had = into.size();
      into.resize(std::min(size, had + (1 << 20)));
      const auto count = stream.read(into.data() + had, into.size() - had);
      if (!count) return base::fail(count.error());
      into.resize(had + *count);
      if (*count == 0) return false;
    }
    return true;
  };
  std::string head, body;
  for (;;) {
    TRY(whole, fill(head, block));
    if (!whole) {
      if (head.empty()) break;  // some writers leave the two empty blocks out
      return base::fail(bad("it ends in the middle of a header"));
    }
    if (head.find_first_not_of('\0') == std::string::npos) break;
    if (std::string_view(head).substr(257, 5) != "ustar") return base::fail(bad("it is no tar archive"));
    unsigned sum = 0;
    for (std::size_t i = 0; i < block; ++i) sum += i >= 148 && i < 156 ? ' ' : static_cast<unsigned char>(head[i]);
    const auto said = number(std::string_view(head).substr(148, 8));
    if (!said || *said != sum) return base::fail(bad("a header's checksum is wrong"));
    const auto size = number(std::string_view(head).substr(124, 12));
    if (!size || *size > limits.most_bytes || total + *size > limits.most_bytes) return base::fail(bad("it holds more than " + base::bytes_text(limits.most_bytes)));
    total += *size;
    TRY(complete, fill(body, padded(*size)));
    if (!complete) return base::fail(bad("it ends in the middle of a file"));
    body.resize(*size);
    const char kind = head[156];
    if (kind == 'L') { long_name = std::string(text_in(body, 0, body.size())); continue; }
    if (kind == 'x') { if (auto path = pax_path(body); !path.empty()) long_name = std::move(path); continue; }
    std::string name = std::move(long_name);
    long_name.clear();
    if (name.empty()) {
      const auto front = text_in(head, 345, 155);
      name = front.empty() ? std::string(text_in(head, 0, 100)) : std::string(front) + "/" + std::string(text_in(head, 0, 100));
    }
    if (kind != '0' && kind != '\0') continue;
    const std::string inside = safe(name);
    if (inside.empty()) return base::fail(bad("it names a path outside of itself: " + base::printable(name, 60)));
    if (files.size() >= limits.most_files) return base::fail(bad("it holds more than " + std::to_string(limits.most_files) + " files"));
    files[inside] = std::move(body);
  }
  return files;
}

}  // namespace source

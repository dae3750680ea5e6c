#include "probe/watch_btf.hpp"

#include <array>
#include <cstring>
#include <map>

namespace probe {

namespace {

// Documentation/bpf/btf.rst
enum Kind : std::uint32_t {
  kind_int = 1, kind_ptr, kind_array, kind_struct, kind_union, kind_enum, kind_fwd, kind_typedef, kind_volatile, kind_const, kind_restrict, kind_func, kind_func_proto, kind_var,
  kind_datasec, kind_float, kind_decl_tag, kind_type_tag, kind_enum64
};
constexpr std::uint16_t magic = 0xeb9f;
constexpr std::size_t most_bytes = 64 << 20, header_bytes = 24, type_bytes = 12;
constexpr int deepest = 16;                 // structs within structs

constexpr std::uint32_t stride = 16;        // of Btf::places_

/// Bytes behind a type's own three words: `fixed`, and `each` for every one of its members.
struct Rest { std::uint8_t fixed = 0, each = 0; bool known = false, named = false; };
constexpr std::array<Rest, 32> rests = [] {
  std::array<Rest, 32> all{};
  for (const Kind kind : {kind_int, kind_var, kind_decl_tag}) all[kind] = {4, 0, true, false};
  for (const Kind kind : {kind_ptr, kind_fwd, kind_volatile, kind_const, kind_restrict, kind_func, kind_float, kind_type_tag}) all[kind] = {0, 0, true, false};
  all[kind_array] = {12, 0, true, false};
  all[kind_datasec] = {0, 12, true, false};
  all[kind_func_proto] = {0, 8, true, false};
  all[kind_enum] = {0, 8, true, true};
  for (const Kind kind : {kind_struct, kind_union, kind_enum64}) all[kind] = {0, 12, true, true};
  all[kind_typedef] = {0, 0, true, true};
  return all;
}();

std::size_t size_of(std::uint32_t info) {
  const Rest& rest = rests[info >> 24 & 0x1f];
  return type_bytes + rest.fixed + std::size_t{rest.each} * (info & 0xffff);
}

bool composite(std::uint32_t kind) { return kind == kind_struct || kind == kind_union; }
bool named_values(std::uint32_t kind) { return kind == kind_enum || kind == kind_enum64; }

std::uint32_t word_of(std::string_view bytes, std::size_t at) {
  std::uint32_t value = 0;
  if (at + sizeof(value) <= bytes.size()) std::memcpy(&value, bytes.data() + at, sizeof(value));
  return value;
}

/// Turns away nearly every name by its first two bytes, before it is compared.
class Sieve {
 public:
  explicit Sieve(const Btf::Names* names) : seen_(1 << 16, false) {
    if (names == nullptr) return;
    for (const std::string& name : names->types) seen_[key(name.c_str())] = true;
  }
  bool may_have(const char* name) const { return seen_[key(name)]; }

 private:
  static std::size_t key(const char* name) {
    const auto first = static_cast<unsigned char>(name[0]);
    return static_cast<std::size_t>(first) << 8 | (first ? static_cast<unsigned char>(name[1]) : 0U);
  }
  std::vector<bool> seen_;
};

void put(std::string& into, std::uint32_t value) { into.append(reinterpret_cast<const char*>(&value), sizeof(value)); }

}  // namespace

std::uint32_t Btf::word(std::size_t at) const { return word_of(types_, at); }

std::optional<Btf> Btf::read(std::string_view whole, const Names* only) {
  if (whole.size() < header_bytes || whole.size() > most_bytes) return std::nullopt;
  std::uint16_t mark = 0;
  std::memcpy(&mark, whole.data(), sizeof(mark));
  const std::size_t head = word_of(whole, 4), type_at = word_of(whole, 8), type_size = word_of(whole, 12), text_at = word_of(whole, 16), text_size = word_of(whole, 20);
  if (mark != magic || head < header_bytes || head > whole.size()) return std::nullopt;
  const std::string_view body = whole.substr(head);
  if (type_at > body.size() || type_size > body.size() - type_at || text_at > body.size() || text_size > body.size() - text_at) return std::nullopt;
  if (text_size == 0 || body[text_at + text_size - 1] != '\0') return std::nullopt;
  Btf btf;
  btf.types_ = body.substr(type_at, type_size);
  btf.texts_ = body.substr(text_at, text_size);
  const Sieve sieve(only);
  btf.places_.reserve(type_size / (20 * stride));
  for (std::size_t at = 0; at < type_size; ++btf.count_) {
    if (type_size - at < type_bytes) return std::nullopt;
    std::uint32_t head_words[2];
    std::memcpy(head_words, btf.types_.data() + at, sizeof(head_words));
    const auto [name, info] = head_words;
    const Rest& rest = rests[info >> 24 & 0x1f];
    const std::size_t size = size_of(info);
    if (!rest.known || size > type_size - at) return std::nullopt;
    if (btf.count_ % stride == 0) btf.places_.push_back(static_cast<std::uint32_t>(at));
    if (rest.named && (!only || (name != 0 && name < text_size && sieve.may_have(btf.texts_.data() + name) && only->types.contains(btf.text(name))))) btf.named_.push_back(btf.count_ + 1);
    at += size;
  }
  return btf;
}

std::optional<Btf::Type> Btf::type(std::uint32_t id) const {
  if (id == 0 || id > count_) return std::nullopt;
  std::size_t at = places_[(id - 1) / stride];
  for (std::uint32_t left = (id - 1) % stride; left > 0; --left) at += size_of(word(at + 4));
  const std::uint32_t info = word(at + 4);
  return Type{word(at), info >> 24 & 0x1f, info & 0xffff, word(at + 8), (info >> 31) != 0, at + type_bytes};
}

std::string_view Btf::text(std::uint32_t offset) const {
  if (offset >= texts_.size()) return {};
  return std::string_view(texts_.data() + offset);     // the section ends with a NUL
}

Btf::Names Btf::names() const {
  Names names;
  for (const std::uint32_t id : named_) {
    const auto it = type(id);
    if (!composite(it->kind) && !named_values(it->kind)) continue;
    if (const std::string_view name = text(it->name); !name.empty()) names.types.emplace(name);
    const std::size_t step = it->kind == kind_enum ? 8 : 12;
    for (std::size_t i = 0; i < it->count; ++i)
      if (const std::string_view member = text(word(it->rest + i * step)); !member.empty()) names.members.emplace(member);
  }
  return names;
}

/// Writes the cut: types in the order in which they are needed, what they contain before them.
class Btf::Cutter {
 public:
  Cutter(const Btf& from, const Names& wanted) : from_(from), wanted_(wanted) {
    texts_.push_back('\0');
    pointer_ = add(0, kind_ptr << 24, 0, {});
    index_ = add(text("int"), kind_int << 24, 4, std::string("\x20\0\0\x01", 4));
  }

  std::optional<std::uint32_t> take(std::uint32_t id, int depth = 0) {
    auto it = from_.type(id);
    for (int steps = 0; it && steps < deepest; ++steps) {
      if (it->kind != kind_typedef && it->kind != kind_const && it->kind != kind_volatile && it->kind != kind_restrict && it->kind != kind_type_tag) break;
      id = it->size_or_type;
      it = from_.type(id);
    }
    if (!it || depth > deepest) return std::nullopt;
    if (const auto known = taken_.find(id); known != taken_.end()) return known->second;
    std::optional<std::uint32_t> made;
    if (it->kind == kind_ptr) made = pointer_;
    else if (it->kind == kind_int || it->kind == kind_float) made = add(text(from_.text(it->name)), it->kind << 24, it->size_or_type, std::string(from_.types_.substr(it->rest, it->kind == kind_int ? 4 : 0)));
    else if (named_values(it->kind)) made = values(*it);
    else if (it->kind == kind_array) made = array(*it, depth);
    else if (composite(it->kind)) made = members(*it, depth);
    if (made) taken_[id] = *made;
    return made;
  }

  std::string bytes() const {
    std::string out;
    const std::uint16_t mark = magic;
    out.append(reinterpret_cast<const char*>(&mark), sizeof(mark));
    out += std::string("\x01\0", 2);
    put(out, header_bytes);
    put(out, 0);
    put(out, static_cast<std::uint32_t>(types_.size()));
    put(out, static_cast<std::uint32_t>(types_.size()));
    put(out, static_cast<std::uint32_t>(texts_.size()));
    return out + types_ + texts_;
  }

 private:
  std::uint32_t text(std::string_view word) {
    if (word.empty()) return 0;
    const auto [known, fresh] = places_.try_emplace(std::string(word), static_cast<std::uint32_t>(texts_.size()));
    if (fresh) texts_.append(word).push_back('\0');
    return known->second;
  }

  std::uint32_t add(std::uint32_t name, std::uint32_t info, std::uint32_t size_or_type, const std::string& rest) {
    put(types_, name);
    put(types_, info);
    put(types_, size_or_type);
    types_ += rest;
    return ++count_;
  }

  std::uint32_t values(const Type& it) {
    std::string rest;
    const std::size_t step = it.kind == kind_enum ? 8 : 12;
    for (std::size_t i = 0; i < it.count; ++i) {
      put(rest, text(from_.text(from_.word(it.rest + i * step))));
      rest += from_.types_.substr(it.rest + i * step + 4, step - 4);
    }
    return add(text(from_.text(it.name)), (it.flag ? 1U << 31 : 0) | it.kind << 24 | it.count, it.size_or_type, rest);
  }

  std::optional<std::uint32_t> array(const Type& it, int depth) {
    const auto element = take(from_.word(it.rest), depth + 1);
    if (!element) return std::nullopt;
    std::string rest;
    put(rest, *element);
    put(rest, index_);
    put(rest, from_.word(it.rest + 8));
    return add(0, kind_array << 24, 0, rest);
  }

  std::uint32_t members(const Type& it, int depth) {
    std::string rest;
    std::uint32_t kept = 0;
    for (std::size_t i = 0; i < it.count; ++i) {
      const std::size_t at = it.rest + i * 12;
      const std::string_view name = from_.text(from_.word(at));
      // Without a name: a struct or union inside, whose members count as this one's.
      if (!name.empty() && !wanted_.members.contains(name)) continue;
      const auto of = take(from_.word(at + 4), depth + 1);
      if (!of) continue;
      put(rest, text(name));
      put(rest, *of);
      put(rest, from_.word(at + 8));
      ++kept;
    }
    return add(text(from_.text(it.name)), (it.flag ? 1U << 31 : 0) | it.kind << 24 | kept, it.size_or_type, rest);
  }

  const Btf& from_;
  const Names& wanted_;
  std::string types_, texts_;
  std::map<std::string, std::uint32_t> places_;
  std::map<std::uint32_t, std::uint32_t> taken_;
  std::uint32_t count_ = 0, pointer_ = 0, index_ = 0;
};

std::optional<std::string> Btf::cut(const Names& wanted) const {
  Cutter cutter(*this, wanted);
  std::size_t found = 0;
  for (const std::uint32_t id : named_) {
    const auto it = type(id);
    if ((!composite(it->kind) && !named_values(it->kind)) || !wanted.types.contains(text(it->name))) continue;
    if (!cutter.take(id)) return std::nullopt;
    ++found;
  }
  if (found == 0) return std::nullopt;
  return cutter.bytes();
}

std::optional<bool> Btf::argument_is_pointer(std::string_view tracepoint, std::size_t index) const {
  const std::string wanted = trace_type(tracepoint);
  for (const std::uint32_t id : named_) {
    auto it = type(id);
    if (it->kind != kind_typedef || text(it->name) != wanted) continue;
    it = type(it->size_or_type);
    if (it && it->kind == kind_ptr) it = type(it->size_or_type);
    // The first parameter is the tracepoint's own void*.
    if (!it || it->kind != kind_func_proto || it->count < index + 2) return std::nullopt;
    const auto argument = type(word(it->rest + (index + 1) * 8 + 4));
    return argument && argument->kind == kind_ptr;
  }
  return std::nullopt;
}

}  // namespace probe

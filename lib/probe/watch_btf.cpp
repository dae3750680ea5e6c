#include "probe/watch_btf.hpp"

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

/// Bytes behind the type's own three words; nullopt for a kind we do not know.
std::optional<std::size_t> rest_bytes(std::uint32_t kind, std::size_t count) {
  switch (kind) {
    case kind_int: case kind_var: case kind_decl_tag: return 4;
    case kind_array: return 12;
    case kind_struct: case kind_union: case kind_datasec: case kind_enum64: return count * 12;
    case kind_enum: case kind_func_proto: return count * 8;
    case kind_ptr: case kind_fwd: case kind_typedef: case kind_volatile: case kind_const: case kind_restrict: case kind_func: case kind_float: case kind_type_tag: return 0;
    default: return std::nullopt;
  }
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
  explicit Sieve(const std::set<std::string, std::less<>>& names) : seen_(1 << 16, false) {
    for (const std::string& name : names) seen_[key(name.c_str())] = true;
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

std::optional<Btf> Btf::read(std::string_view whole) {
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
  btf.at_.reserve(type_size / 24);
  btf.at_.push_back(0);
  for (std::size_t at = 0; at < type_size;) {
    if (type_size - at < type_bytes) return std::nullopt;
    const std::uint32_t info = btf.word(at + 4);
    const auto rest = rest_bytes(info >> 24 & 0x1f, info & 0xffff);
    if (!rest || *rest > type_size - at - type_bytes) return std::nullopt;
    btf.at_.push_back(static_cast<std::uint32_t>(at));
    at += type_bytes + *rest;
  }
  return btf;
}

std::optional<Btf::Type> Btf::type(std::uint32_t id) const {
  if (id == 0 || id >= at_.size()) return std::nullopt;
  const std::size_t at = at_[id];
  const std::uint32_t info = word(at + 4);
  return Type{word(at), info >> 24 & 0x1f, info & 0xffff, word(at + 8), (info >> 31) != 0, at + type_bytes};
}

std::string_view Btf::text(std::uint32_t offset) const {
  if (offset >= texts_.size()) return {};
  return std::string_view(texts_.data() + offset);     // the section ends with a NUL
}

Btf::Names Btf::names() const {
  Names names;
  for (std::uint32_t id = 1; id < at_.size(); ++id) {
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
  const Sieve sieve(wanted.types);
  std::size_t found = 0;
  for (std::uint32_t id = 1; id < at_.size(); ++id) {
    const std::uint32_t kind = word(at_[id] + 4) >> 24 & 0x1f, offset = word(at_[id]);
    if ((!composite(kind) && !named_values(kind)) || offset == 0 || offset >= texts_.size() || !sieve.may_have(texts_.data() + offset)) continue;
    if (!wanted.types.contains(text(offset))) continue;
    if (!cutter.take(id)) return std::nullopt;
    ++found;
  }
  if (found == 0) return std::nullopt;
  return cutter.bytes();
}

std::optional<bool> Btf::argument_is_pointer(std::string_view tracepoint, std::size_t index) const {
  const std::string wanted = "btf_trace_" + std::string(tracepoint);
  for (std::uint32_t id = 1; id < at_.size(); ++id) {
    const std::uint32_t offset = word(at_[id]);
    if ((word(at_[id] + 4) >> 24 & 0x1f) != kind_typedef || offset >= texts_.size() || texts_[offset] != 'b' || text(offset) != wanted) continue;
    auto it = type(word(at_[id] + 8));
    if (it && it->kind == kind_ptr) it = type(it->size_or_type);
    // The first parameter is the tracepoint's own void*.
    if (!it || it->kind != kind_func_proto || it->count < index + 2) return std::nullopt;
    const auto argument = type(word(it->rest + (index + 1) * 8 + 4));
    return argument && argument->kind == kind_ptr;
  }
  return std::nullopt;
}

}  // namespace probe

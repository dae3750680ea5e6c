// The kernel's BTF (what its structs look like), cut down to what the BPF programs ask for. libbpf parses and searches all 5 MB of it, which was
// most of the time between our start and the first event; a cut of some hundred bytes answers the same questions. Bytes in, bytes out: bounded,
// and nullopt for anything that does not look as expected, so that the caller takes the whole.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace probe {

class Btf {
 public:
  struct Names { std::set<std::string, std::less<>> types, members; };

  /// Raw BTF of this machine's byte order, as /sys/kernel/btf/vmlinux holds it; one pass over its 130,000 types. The text must outlive the Btf.
  /// `only`: the types that will be asked for; nullptr: all of them.
  static std::optional<Btf> read(std::string_view whole, const Names* only = nullptr);

  /// Names of all structs, unions and enums, and of all their members and values.
  Names names() const;

  /// BTF with the types of these names and, of each, the members of these names, at the offsets they have here. Pointers point to void.
  std::optional<std::string> cut(const Names& wanted) const;

  /// Is argument `index` (0 = the first one of its own) of a tracepoint a pointer? From its prototype, the type trace_type(NAME); nullopt: no such.
  std::optional<bool> argument_is_pointer(std::string_view tracepoint, std::size_t index) const;
  static std::string trace_type(std::string_view tracepoint) { return "btf_trace_" + std::string(tracepoint); }

 private:
  struct Type { std::uint32_t name = 0, kind = 0, count = 0, size_or_type = 0; bool flag = false; std::size_t rest = 0; };
  class Cutter;

  std::optional<Type> type(std::uint32_t id) const;
  std::string_view text(std::uint32_t offset) const;
  std::uint32_t word(std::size_t at) const;

  std::string_view types_, texts_;
  std::uint32_t count_ = 0;
  std::vector<std::uint32_t> places_;      // where every 16th type stands in types_: a whole table is half a megabyte of new pages
  std::vector<std::uint32_t> named_;       // ids of the structs, unions, enums and typedefs that were asked for
};

}  // namespace probe

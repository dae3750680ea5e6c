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
  /// Raw BTF of this machine's byte order, as /sys/kernel/btf/vmlinux holds it. The text must outlive the Btf.
  static std::optional<Btf> read(std::string_view whole);

  /// Names of all structs, unions and enums, and of all their members and values.
  struct Names { std::set<std::string, std::less<>> types, members; };
  Names names() const;

  /// BTF with the types of these names and, of each, the members of these names, at the offsets they have here. Pointers point to void.
  std::optional<std::string> cut(const Names& wanted) const;

  /// Is argument `index` (0 = the first one of its own) of a tracepoint a pointer? From its "btf_trace_NAME" prototype; nullopt: no such.
  std::optional<bool> argument_is_pointer(std::string_view tracepoint, std::size_t index) const;

 private:
  struct Type { std::uint32_t name = 0, kind = 0, count = 0, size_or_type = 0; bool flag = false; std::size_t rest = 0; };
  class Cutter;

  std::optional<Type> type(std::uint32_t id) const;
  std::string_view text(std::uint32_t offset) const;
  std::uint32_t word(std::size_t at) const;

  std::string_view types_, texts_;
  std::vector<std::uint32_t> at_;          // by id: where the type stands in types_; [0] is void
};

}  // namespace probe

// The cut of the kernel's BTF: only what was asked for, where it stands in the whole, and nothing at all from bytes that are damaged.
#include "support/catch.hpp"

#include "probe/watch_btf.hpp"

namespace {

/// Writes BTF as Documentation/bpf/btf.rst lays it out.
class Writer {
 public:
  Writer() { texts_.push_back('\0'); }
  std::uint32_t text(const std::string& word) {
    const auto at = static_cast<std::uint32_t>(texts_.size());
    texts_ += word;
    texts_.push_back('\0');
    return at;
  }
  std::uint32_t type(std::uint32_t name, std::uint32_t kind, std::uint32_t count, std::uint32_t size_or_type, const std::vector<std::uint32_t>& rest = {}) {
    for (const std::uint32_t word : {name, kind << 24 | count, size_or_type}) put(types_, word);
    for (const std::uint32_t word : rest) put(types_, word);
    return ++count_;
  }
  std::string bytes() const {
    std::string out("\x9f\xeb\x01\0", 4);
    const auto types = static_cast<std::uint32_t>(types_.size()), texts = static_cast<std::uint32_t>(texts_.size());
    for (const std::uint32_t word : {24U, 0U, types, types, texts}) put(out, word);
    return out + types_ + texts_;
  }

 private:
  static void put(std::string& into, std::uint32_t word) { into.append(reinterpret_cast<const char*>(&word), sizeof(word)); }
  std::string types_, texts_;
  std::uint32_t count_ = 0;
};

std::string small_kernel(bool mark_has_task) {
  Writer writer;
  const auto number = writer.type(writer.text("int"), 1, 0, 4, {0x01000020});
  const auto pointer = writer.type(0, 2, 0, 0);
  for (int i = 0; i < 40; ++i) writer.type(writer.text("filler" + std::to_string(i)), 4, 1, 4, {writer.text("x"), number, 0});
  writer.type(writer.text("task_struct"), 4, 3, 64, {writer.text("flags"), number, 64, writer.text("pid"), number, 128, writer.text("mm"), pointer, 256});
  const auto call = writer.type(0, 13, 2, 0, {0, pointer, 0, mark_has_task ? pointer : number});
  const auto to_call = writer.type(0, 2, 0, call);
  writer.type(writer.text("btf_trace_mark_victim"), 8, 0, to_call);
  return writer.bytes();
}

const probe::Btf::Names asked{{"task_struct", "btf_trace_mark_victim"}, {"pid", "mm"}};

}  // namespace

TEST_CASE("a cut has the asked types and members and no others") {
  const std::string whole = small_kernel(true);
  const auto kernel = probe::Btf::read(whole, &asked);
  REQUIRE(kernel);
  const auto cut = kernel->cut(asked);
  REQUIRE(cut);
  CHECK(cut->size() < whole.size() / 4);
  const auto small = probe::Btf::read(*cut);
  REQUIRE(small);
  CHECK(small->names().types == std::set<std::string, std::less<>>{"task_struct"});
  CHECK(small->names().members == std::set<std::string, std::less<>>{"mm", "pid"});
  // At its place in the whole: a member's third word is its offset in bits.
  const std::uint32_t offset = 128;
  CHECK(cut->find(std::string(reinterpret_cast<const char*>(&offset), sizeof(offset))) != std::string::npos);
}

TEST_CASE("a tracepoint's argument is told from its prototype") {
  const std::string with = small_kernel(true), without = small_kernel(false);
  CHECK(probe::Btf::read(with, &asked)->argument_is_pointer("mark_victim", 0) == true);
  CHECK(probe::Btf::read(without, &asked)->argument_is_pointer("mark_victim", 0) == false);
  CHECK(probe::Btf::read(with, &asked)->argument_is_pointer("mark_victim", 1) == std::nullopt);
  CHECK(probe::Btf::read(with, &asked)->argument_is_pointer("sched_switch", 0) == std::nullopt);
}

TEST_CASE("damaged BTF gives nothing, and never more than it has") {
  const std::string whole = small_kernel(true);
  for (std::size_t size = 0; size < whole.size(); ++size) CHECK_FALSE(probe::Btf::read(whole.substr(0, size), &asked));
  for (std::size_t at = 0; at < whole.size(); ++at) {
    std::string damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x55);
    if (const auto btf = probe::Btf::read(damaged, &asked)) {
      const auto cut = btf->cut(asked);
      CHECK((!cut || cut->size() <= 2 * whole.size()));
      btf->argument_is_pointer("mark_victim", 0);
    }
  }
}

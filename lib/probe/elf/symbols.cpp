#include "probe/elf/symbols.hpp"

#include <elf.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <string_view>

namespace probe {

namespace {

constexpr std::size_t most_headers = 4096, most_table = 64 << 20;

bool read_at(int fd, void* into, std::size_t size, std::uint64_t at) {
  auto* to = static_cast<char*>(into);
  while (size > 0) {
    const ssize_t got = ::pread(fd, to, size, static_cast<off_t>(at));
    if (got <= 0) return false;
    to += got;
    size -= static_cast<std::size_t>(got);
    at += static_cast<std::uint64_t>(got);
  }
  return true;
}

template <class T>
bool read_all(int fd, std::vector<T>& into, std::size_t count, std::uint64_t at) {
  into.resize(count);
  return read_at(fd, into.data(), count * sizeof(T), at);
}

}  // namespace

base::Result<ElfSymbols> read_symbols(int fd, const std::vector<std::string>& names) {
  const auto refuse = [](const char* answer) { return base::fail({base::Kind::malformed, "reading the symbols of an ELF file", answer, "", 0}); };
  Elf64_Ehdr head{};
  if (!read_at(fd, &head, sizeof(head), 0) || std::memcmp(head.e_ident, ELFMAG, SELFMAG) != 0 || head.e_ident[EI_CLASS] != ELFCLASS64) return refuse("it is no 64-bit ELF file");
  if (head.e_phentsize != sizeof(Elf64_Phdr) || head.e_shentsize != sizeof(Elf64_Shdr) || head.e_phnum > most_headers || head.e_shnum > most_headers) return refuse("it has no section headers");
  std::vector<Elf64_Phdr> programs;
  std::vector<Elf64_Shdr> sections;
  if (!read_all(fd, programs, head.e_phnum, head.e_phoff) || !read_all(fd, sections, head.e_shnum, head.e_shoff)) return refuse("it is cut");
  ElfSymbols found;
  const auto load = std::find_if(programs.begin(), programs.end(), [](const Elf64_Phdr& program) { return program.p_type == PT_LOAD; });
  if (load == programs.end()) return refuse("nothing of it is loaded");
  found.base = (load->p_vaddr - load->p_offset) & ~std::uint64_t{4095};
  const auto table = std::find_if(sections.begin(), sections.end(), [](const Elf64_Shdr& section) { return section.sh_type == SHT_DYNSYM; });
  if (table == sections.end() || table->sh_link >= sections.size()) return found;
  const Elf64_Shdr& texts = sections[table->sh_link];
  if (table->sh_size > most_table || texts.sh_size > most_table) return refuse("its symbol table is out of reason");
  std::vector<Elf64_Sym> symbols;
  std::vector<char> words;
  if (!read_all(fd, symbols, table->sh_size / sizeof(Elf64_Sym), table->sh_offset) || !read_all(fd, words, texts.sh_size, texts.sh_offset)) return refuse("it is cut");
  const std::string_view all(words.data(), words.size());
  for (const Elf64_Sym& symbol : symbols) {
    if (symbol.st_shndx == SHN_UNDEF || symbol.st_name >= all.size()) continue;
    const std::string_view rest = all.substr(symbol.st_name);
    for (const std::string& name : names)
      if (rest.size() > name.size() && rest[name.size()] == 0 && rest.substr(0, name.size()) == name) found.addresses.emplace(name, symbol.st_value);
  }
  return found;
}

}  // namespace probe

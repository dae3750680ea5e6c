// nginx's configuration language: words, directives, blocks, with their places. No directive is known here; broken text is read as far as it
// goes. Rules of ngx_conf_file.c@1.31.4: a comment begins only where a word may; ${ keeps its braces; after a closing quote a word ends.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace parse::nginx {

/// Line and column count from 1, columns in bytes. `text` has its quotes and escapes undone.
struct Word {
  std::string text;
  std::uint32_t line = 1, column = 1;
  bool quoted = false;
  std::size_t at = 0, end = 0;  // offsets in the text, quotes included
};

struct Directive {
  std::vector<Word> words;     // never empty; the first is its name
  bool block = false;          // it opens one
  std::size_t offset = 0;      // of its name in the text
  std::size_t end = 0;         // behind its ; or {
  const std::string& name() const { return words.front().text; }
  std::string argument(std::size_t index) const { return index + 1 < words.size() ? words[index + 1].text : std::string(); }
};

struct Reading {
  std::uint32_t wrong_line = 0;  // of the first thing that nginx would refuse; 0 = none
  std::string wrong;             // "the block is not closed"
};

/// Calls `enter` for every directive with the blocks around it, outermost first, and `leave` behind every block. At most 64 blocks deep and
/// 200,000 directives; the content of *_by_lua_block is passed over.
struct Visitor {
  std::function<void(const Directive&, std::span<const Directive> around)> enter;
  std::function<void(const Directive&, std::span<const Directive> around)> leave;
};
Reading walk(std::string_view text, const Visitor& visitor);

}  // namespace parse::nginx

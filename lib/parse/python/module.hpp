// A Python module seen from outside, without running it: what it imports, binds and calls while it is imported, and what its functions call and
// return. For the linter's questions about an application: whether a name is there, what makes it, what happens before a fork. Bounded as the
// tokens are; what cannot be followed (exec, star imports) is said by `open`.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "parse/python/bindings.hpp"

namespace parse::python {

/// Of one statement at most this many bytes of arguments are kept.
constexpr std::size_t longest_arguments = 400;

struct Import {
  std::string module, item, name;  // `from module import item as name`; item "" for `import module as name`; a relative module keeps its dots
  std::string function;            // the outermost function that it stands in; "" = it runs when the module is imported
  Place at;
};

/// One binding of a name; a name that is bound again has several, in their order.
struct Name {
  enum class Kind : std::uint8_t { value, call, alias, function, type, import } kind = Kind::value;
  std::string name;
  std::string of;                  // call: what is called, "fastapi.FastAPI" as it is written; alias: the other name; import: "module:item"
  std::string function;            // "" = a name of the module
  bool conditional = false;        // inside if, try, with, for...
  bool coroutine = false;          // async def
  int positional = 0;              // of a function: how many positional arguments it takes at most
  int needed = 0;                  // of those: how many have no default
  bool any_arguments = false;      // *args
  bool decorated = false;          // what a decorator makes of it is not known
  Place at;
};

struct Call {
  std::string callee;              // "signal.signal"; ".start" of what a call before it returned
  std::string arguments;           // their source
  std::string function;
  Place at;
  std::size_t offset = 0;          // of the callee in the source
};

struct Return { std::string function, of; bool call = false; };  // `return app`, `return FastAPI()`; of "" = something else

struct Module {
  std::vector<Import> imports;
  std::vector<Name> names;
  std::vector<Call> calls;
  std::vector<Return> returns;
  bool open = false;               // names may come from elsewhere: import *, exec, globals(), __getattr__
  std::uint32_t wrong_line = 0;    // the first thing that is no Python; 0 = none

  /// "FastAPI" as `from fastapi import FastAPI` made it: "fastapi.FastAPI". What is no import stays as it is.
  std::string full(std::string_view dotted) const;
  /// The bindings of the module's own name that may hold at its end: from the last unconditional one on.
  std::vector<const Name*> bound(std::string_view name, std::string_view function = {}) const;
};

/// `if __name__ == "__main__"` and `if TYPE_CHECKING` are passed over: a server imports. At most 20,000 of each list.
Module module_of(std::string_view source);

}  // namespace parse::python

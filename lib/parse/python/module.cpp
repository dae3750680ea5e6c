// One walk over the lines of a module, each kind of statement a few of its own, hence over 300 lines.
#include "parse/python/module.hpp"

#include <algorithm>
#include <utility>

#include "base/text.hpp"
#include "parse/python/token.hpp"

namespace parse::python {

namespace {

using std::string_view_literals::operator""sv;
constexpr std::size_t most = 20'000;

// What a block's lines belong to.
struct Frame {
  std::string function;     // the outermost function
  bool conditional = false;
  bool in_class = false;    // its names are the class's
  bool passed = false;      // it does not run at an import
};

bool any_of(std::string_view word, std::initializer_list<std::string_view> words) { return std::find(words.begin(), words.end(), word) != words.end(); }

class Reader {
 public:
  explicit Reader(std::string_view source) : source_(source), tokens_(tokens_of(source)) {
    module_.wrong_line = tokens_.wrong_line;
    module_.open = base::contains(source, "sys.modules[__name__]");
  }

  Module run() {
    frames_.push_back({});
    Frame pending;
    const auto& all = tokens_.all;
    for (std::size_t at = 0; at < all.size() && all[at].kind != Kind::end;) {
      if (all[at].kind == Kind::indent) { frames_.push_back(pending); ++at; continue; }
      if (all[at].kind == Kind::dedent) { if (frames_.size() > 1) frames_.pop_back(); ++at; continue; }
      if (all[at].kind == Kind::line_end) { ++at; continue; }
      std::size_t end = at;
      while (all[end].kind != Kind::line_end && all[end].kind != Kind::end) ++end;
      pending = line(at, end);
      at = end;
    }
    return std::move(module_);
  }

 private:
  const Token& token(std::size_t at) const { return tokens_.all[at]; }
  bool word(std::size_t at, std::string_view text) const { return token(at).kind == Kind::name && token(at).text == text; }
  bool mark(std::size_t at, std::string_view text) const { return token(at).kind == Kind::mark && token(at).text == text; }
  static int step(const Token& token) {
    if (token.kind != Kind::mark || token.text.size() != 1) return 0;
    return base::contains("([{", token.text) ? 1 : base::contains(")]}", token.text) ? -1 : 0;
  }
  /// The first `text` outside of brackets in [from, to); `to` when there is none.
  std::size_t outside(std::size_t from, std::size_t to, std::string_view text) const {
    int depth = 0;
    for (std::size_t at = from; at < to; ++at) {
      if (depth == 0 && (mark(at, text) || (token(at).kind == Kind::name && token(at).text == text))) return at;
      depth += step(token(at));
    }
    return to;
  }
  Place place(std::size_t at) const { return {token(at).line, token(at).column}; }

  // One logical line: what its block, should one follow, belongs to.
  Frame line(std::size_t from, std::size_t to) {
    const Frame here = frames_.back();
    Frame inner = here;
    if (here.passed) return inner;
    std::size_t at = from;
    const bool coroutine = word(at, "async") && at + 1 < to;
    if (coroutine) ++at;
    const std::string_view first = token(at).kind == Kind::name ? token(at).text : ""sv;
    if (first == "def" && at + 1 < to) {
      define(at + 1, to, coroutine, here);
      if (here.function.empty()) inner.function = here.in_class ? "." + std::string(token(at + 1).text) : std::string(token(at + 1).text);
      inner.in_class = false;
      inner.conditional = false;
      return one_line(at + 1, to, inner);
    }
    if (first == "class" && at + 1 < to) {
      bind(token(at + 1).text, Name::Kind::type, "", at + 1, here);
      decorated_ = false;
      inner.in_class = true;
      return one_line(at + 1, to, inner);
    }
    const bool soft = any_of(first, {"match", "case"}) && to > at + 1 && mark(to - 1, ":");
    if (soft || any_of(first, {"if", "elif", "else", "try", "except", "finally", "with", "for", "while"})) {
      const std::size_t colon = header_end(at + 1, to);
      inner.conditional = true;
      if (first == "if" || first == "elif") {
        const std::string_view asked = text_between(at + 1, colon);
        inner.passed = base::contains(asked, "__main__") || base::starts_with(asked, "TYPE_CHECKING") || base::starts_with(asked, "typing.TYPE_CHECKING");
      }
      if (first == "for") targets(at + 1, outside(at + 1, colon, "in"), Name::Kind::value, "", {here.function, true, here.in_class, false});
      if (first == "with" || first == "except")
        if (const std::size_t as = outside(at + 1, colon, "as"); as + 1 < colon) targets(as + 1, colon, Name::Kind::value, "", {here.function, true, here.in_class, false});
      calls(at + 1, colon, here);
      if (colon + 1 < to) simple(colon + 1, to, inner);
      return inner;
    }
    if (mark(from, "@")) {
      decorated_ = true;
      calls(from + 1, to, here);
    } else simple(from, to, here);
    return inner;
  }

  // `def f(): return x` on one line.
  Frame one_line(std::size_t from, std::size_t to, const Frame& inner) {
    const std::size_t colon = header_end(from, to);
    if (colon + 1 < to) simple(colon + 1, to, inner);
    return inner;
  }

  // The colon that ends a header: those of lambdas and slices stand in brackets or behind `lambda`.
  std::size_t header_end(std::size_t from, std::size_t to) const {
    int depth = 0, lambdas = 0;
    for (std::size_t at = from; at < to; ++at) {
      if (word(at, "lambda") && depth == 0) ++lambdas;
      else if (mark(at, ":") && depth == 0 && lambdas-- <= 0) return at;
      depth += step(token(at));
    }
    return to;
  }

  std::string_view text_between(std::size_t from, std::size_t to) const {
    if (from >= to) return {};
    const std::size_t begin = token(from).at, end = token(to - 1).at + token(to - 1).text.size();
    return source_.substr(begin, std::min(end - begin, longest_arguments));
  }

  void simple(std::size_t from, std::size_t to, const Frame& here) {
    while (from < to) {
      const std::size_t end = outside(from, to, ";");
      if (end > from) statement(from, end, here);
      from = end + 1;
    }
  }

  void statement(std::size_t from, std::size_t to, const Frame& here) {
    if (word(from, "import")) { imports(from + 1, to, here); return; }
    if (word(from, "from")) { imports_from(from + 1, to, here); return; }
    if (word(from, "return")) { returned(from + 1, to, here); calls(from + 1, to, here); return; }
    if (word(from, "global")) {
      for (std::size_t at = from + 1; at < to; ++at)
        if (token(at).kind == Kind::name) bind(token(at).text, Name::Kind::value, "", at, {"", true, false, false});
      return;
    }
    std::size_t value = from;
    for (std::size_t equals = outside(from, to, "="); equals < to; equals = outside(value, to, "=")) value = equals + 1;
    if (value > from) {
      const auto [kind, of] = made_by(value, to);
      for (std::size_t target = from; target < value;) {
        const std::size_t equals = outside(target, value, "=");
        targets(target, std::min(outside(target, equals, ":"), equals), kind, of, here);
        target = equals + 1;
      }
    }
    calls(from, to, here);
  }

  // Names in `a, (b, c)`; attributes and items bind no name.
  void targets(std::size_t from, std::size_t to, Name::Kind kind, const std::string& of, const Frame& here) {
    std::size_t names = 0, found = 0;
    for (std::size_t at = from; at < to; ++at) {
      if (token(at).kind != Kind::name) continue;
      const bool attribute = at > from && mark(at - 1, "."), owner = at + 1 < to && (mark(at + 1, ".") || mark(at + 1, "["));
      if (attribute || owner) {
        if (token(at).text == "globals") module_.open = true;
        continue;
      }
      ++names;
      found = at;
      if (names > 1 || at > from || to > at + 1) { bind(token(at).text, Name::Kind::value, "", at, here); --names; found = 0; }
    }
    if (names == 1 && found == from) bind(token(found).text, kind, of, found, here);
  }

  // What a value is: the call of a dotted name, a dotted name, or something else.
  std::pair<Name::Kind, std::string> made_by(std::size_t from, std::size_t to) const {
    std::string dotted;
    std::size_t at = from;
    while (at < to && token(at).kind == Kind::name) {
      dotted += token(at).text;
      ++at;
      if (at + 1 >= to || !mark(at, ".")) break;
      dotted += '.';
      ++at;
    }
    if (dotted.empty() || dotted.back() == '.' || any_of(dotted, {"None", "True", "False", "lambda", "await", "not", "yield"})) return {Name::Kind::value, ""};
    if (at == to) return {Name::Kind::alias, dotted};
    if (!mark(at, "(")) return {Name::Kind::value, ""};
    int depth = 0;
    for (; at < to; ++at)
      if ((depth += step(token(at))) == 0) break;
    return at + 1 == to ? std::pair(Name::Kind::call, dotted) : std::pair(Name::Kind::value, std::string());
  }

  void returned(std::size_t from, std::size_t to, const Frame& here) {
    if (here.function.empty() || module_.returns.size() >= most) return;
    const auto [kind, of] = made_by(from, to);
    module_.returns.push_back({here.function, of, kind == Name::Kind::call});
  }

  void bind(std::string_view name, Name::Kind kind, std::string of, std::size_t at, const Frame& here) {
    if (here.in_class || module_.names.size() >= most) return;
    Name bound;
    bound.kind = kind;
    bound.name = name;
    bound.of = std::move(of);
    bound.function = here.function;
    bound.conditional = here.conditional;
    bound.at = place(at);
    module_.names.push_back(std::move(bound));
    if (name == "__getattr__" && here.function.empty()) module_.open = true;
  }

  void define(std::size_t at, std::size_t to, bool coroutine, const Frame& here) {
    const std::size_t before = module_.names.size();
    bind(token(at).text, Name::Kind::function, "", at, here);
    if (module_.names.size() == before) return;
    Name& name = module_.names.back();
    name.coroutine = coroutine;
    name.decorated = std::exchange(decorated_, false);
    if (at + 1 >= to || !mark(at + 1, "(")) return;
    bool fresh = true, named_only = false;
    int depth = 0;
    for (std::size_t i = at + 1; i < to; ++i) {
      depth += step(token(i));
      if (depth == 0) break;
      if (depth != 1) continue;
      if (mark(i, ",")) { fresh = true; continue; }
      if (mark(i, "*")) { named_only = true; name.any_arguments = name.any_arguments || (i + 1 < to && token(i + 1).kind == Kind::name); fresh = false; continue; }
      if (mark(i, "**")) { fresh = false; continue; }
      if (mark(i, "=") && !named_only) { --name.needed; continue; }
      if (fresh && token(i).kind == Kind::name && !named_only) { ++name.positional; ++name.needed; fresh = false; }
    }
  }

  std::string dotted(std::size_t& at, std::size_t to) const {
    std::string out;
    while (at < to && (mark(at, ".") || mark(at, "..."))) out += token(at++).text;
    while (at < to && token(at).kind == Kind::name && !any_of(token(at).text, {"import", "as"})) {
      out += token(at++).text;
      if (at >= to || !mark(at, ".")) break;
      out += '.';
      ++at;
    }
    return out;
  }

  void add_import(Import import, std::size_t at, const Frame& here) {
    if (module_.imports.size() >= most) return;
    import.function = here.function;
    import.at = place(at);
    bind(import.name, Name::Kind::import, import.module + ":" + import.item, at, here);
    module_.imports.push_back(std::move(import));
  }

  void imports(std::size_t at, std::size_t to, const Frame& here) {
    while (at < to) {
      const std::size_t from = at;
      Import import;
      import.module = dotted(at, to);
      import.name = import.module.substr(0, import.module.find('.'));
      if (at + 1 < to && word(at, "as")) { import.name = token(at + 1).text; at += 2; }
      if (!import.module.empty()) add_import(std::move(import), from, here);
      while (at < to && !mark(at, ",")) ++at;
      ++at;
    }
  }

  void imports_from(std::size_t at, std::size_t to, const Frame& here) {
    const std::string module = dotted(at, to);
    if (at >= to || !word(at, "import")) return;
    for (++at; at < to;) {
      if (mark(at, "(") || mark(at, ")") || mark(at, ",")) { ++at; continue; }
      if (mark(at, "*")) {
        if (here.function.empty()) module_.open = true;
        add_import({module, "*", "*", "", {}}, at, here);
        ++at;
        continue;
      }
      if (token(at).kind != Kind::name) { ++at; continue; }
      Import import;
      import.module = module;
      import.item = import.name = token(at).text;
      const std::size_t from = at++;
      if (at + 1 < to && word(at, "as")) { import.name = token(at + 1).text; at += 2; }
      add_import(std::move(import), from, here);
    }
  }

  // Every call in these tokens but those of lambdas, which run later.
  void calls(std::size_t from, std::size_t to, const Frame& here) {
    int depth = 0, lambda = -1;
    for (std::size_t at = from; at < to; ++at) {
      if (lambda >= 0 && (depth < lambda || (depth == lambda && mark(at, ",")))) lambda = -1;
      if (word(at, "lambda") && lambda < 0) lambda = depth;
      if (token(at).kind == Kind::name && lambda < 0) {
        const std::size_t begin = at;
        std::string callee = at > from && mark(at - 1, ".") ? "." : "";
        callee += token(at).text;
        while (at + 2 < to && mark(at + 1, ".") && token(at + 2).kind == Kind::name) { (callee += '.') += token(at + 2).text; at += 2; }
        if (at + 1 < to && mark(at + 1, "(")) call(callee, begin, at + 1, to, here);
        continue;
      }
      if (mark(at, ":=") && at > from && token(at - 1).kind == Kind::name) bind(token(at - 1).text, Name::Kind::value, "", at - 1, {here.function, true, here.in_class, false});
      depth += step(token(at));
      if (lambda >= 0 && depth < lambda) lambda = -1;
    }
  }

  void call(std::string callee, std::size_t begin, std::size_t open, std::size_t to, const Frame& here) {
    if (here.function.empty() && (callee == "exec" || callee == "globals" || callee == "vars" || callee == "locals" || base::starts_with(callee, "globals."))) module_.open = true;
    if (module_.calls.size() >= most || any_of(callee, {"if", "and", "or", "not", "in", "return", "assert", "print", "else", "is", "elif", "while", "yield", "await", "del", "raise"})) return;
    int depth = 0;
    std::size_t close = open;
    to = std::min(to, open + 500);  // calls nest, and each asks for its end
    for (; close < to; ++close)
      if ((depth += step(token(close))) == 0) break;
    Call made;
    made.callee = std::move(callee);
    made.arguments = open + 1 < close ? std::string(text_between(open + 1, close)) : "";
    made.function = here.function;
    made.at = place(begin);
    made.offset = token(begin).at;
    module_.calls.push_back(std::move(made));
  }

  const std::string_view source_;
  const Tokens tokens_;
  Module module_;
  std::vector<Frame> frames_;
  bool decorated_ = false;
};

}  // namespace

std::string Module::full(std::string_view dotted) const {
  const std::string_view first = dotted.substr(0, dotted.find('.'));
  const Import* found = nullptr;
  for (const Import& one : imports)
    if (one.name == first) found = &one;
  if (!found) return std::string(dotted);
  const std::string rest(dotted.substr(first.size()));
  if (!found->item.empty()) return found->module + (found->module.empty() || found->module.back() == '.' ? "" : ".") + found->item + rest;
  return (found->name == found->module.substr(0, found->module.find('.')) ? found->name : found->module) + rest;
}

std::vector<const Name*> Module::bound(std::string_view name, std::string_view function) const {
  std::vector<const Name*> out;
  for (const Name& one : names) {
    if (one.name != name || one.function != function) continue;
    if (!one.conditional) out.clear();
    out.push_back(&one);
  }
  return out;
}

Module module_of(std::string_view source) { return Reader(source).run(); }

}  // namespace parse::python

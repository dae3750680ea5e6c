// The statements of a module in one walk over its tokens; past 300 lines, for blocks, branches and targets are one thought.
#include "parse/python/bindings.hpp"

#include <algorithm>
#include <set>

#include "base/text.hpp"

namespace parse::python {

namespace {

constexpr int deepest = 40;
constexpr std::size_t most_names = 1000;

// What a name is now: its alternatives with the place of each.
using State = std::vector<Bound>;
// The names a branch assigned, with what they were before (empty: not bound).
using Changes = std::map<std::string, State, std::less<>>;

class Walk {
 public:
  explicit Walk(const Tokens& tokens) : tokens_(tokens.all) {}

  Bindings run() {
    assign("__name__", only(text("__config__")), {});  // what gunicorn calls the module: app/base.py:97@20.1.0
    statements(0, false);
    for (const std::string& name : elsewhere()) forget(name);
    for (const auto& [name, at] : imported_)
      if (const auto found = states_.find(name); found == states_.end() || found->second.empty()) out_.names.push_back({name, {{{}, "", false, at}}});
    for (const std::string& name : order_) {
      const auto found = states_.find(name);
      if (name != "__name__" && found != states_.end() && !found->second.empty()) out_.names.push_back({name, found->second});
    }
    return std::move(out_);
  }

 private:
  const Token& now() const { return tokens_[std::min(at_, tokens_.size() - 1)]; }
  const Token& next() const { return tokens_[std::min(at_ + 1, tokens_.size() - 1)]; }
  bool is(std::string_view mark) const { return now().kind == Kind::mark && now().text == mark; }
  bool is_word(std::string_view word) const { return now().kind == Kind::name && now().text == word; }
  bool ended() const { return now().kind == Kind::end; }

  // Names that are bound where no statement of the top level binds them: `global x` in a function, `(x := 1)` in an expression.
  std::set<std::string, std::less<>> elsewhere() const {
    std::set<std::string, std::less<>> names;
    for (std::size_t i = 0; i + 1 < tokens_.size() && names.size() < most_names; ++i) {
      if (tokens_[i].kind != Kind::name) continue;
      if (tokens_[i + 1].text == ":=" && tokens_[i + 1].kind == Kind::mark) names.insert(std::string(tokens_[i].text));
      if (tokens_[i].text == "global")
        for (std::size_t k = i + 1; k < tokens_.size() && tokens_[k].kind != Kind::line_end; ++k)
          if (tokens_[k].kind == Kind::name) names.insert(std::string(tokens_[k].text));
    }
    return names;
  }

  // ---- what names are ----
  State& touch(const std::string& name) {
    State& state = states_[name];
    if (!branches_.empty()) branches_.back().emplace(name, state);
    return state;
  }
  void assign(const std::string& name, const Alternatives& value, Place at) {
    if (states_.size() >= most_names && !states_.contains(name)) return;
    State state;
    for (const Alternative& one : value) state.push_back({one.value, one.condition, one.absent, at});
    put(name, std::move(state));
  }
  void put(const std::string& name, State state) {
    if (ordered_.insert(name).second) order_.push_back(name);
    show(name, state);
    touch(name) = std::move(state);
  }
  // What expressions see of it.
  void show(const std::string& name, const State& state) {
    Alternatives plain;
    for (const Bound& bound : state) plain.push_back({bound.value, bound.condition, bound.absent});
    if (plain.empty()) names_.erase(name);
    else names_[name] = std::move(plain);
  }

  // Runs what `run` does as a branch; the result is what each changed name became, and everything is as before.
  template <class Run> Changes branch(Run run) {
    branches_.emplace_back();
    run();
    const Changes before = std::move(branches_.back());
    branches_.pop_back();
    Changes after;
    for (const auto& [name, state] : before) {
      after.emplace(name, states_[name]);
      put_back(name, state);
    }
    return after;
  }
  void put_back(const std::string& name, const State& state) {
    states_[name] = state;
    show(name, state);
  }

  struct Way { std::string condition; Changes changes; };
  // Each name that some way changed is what the ways make of it.
  void merge(const std::vector<Way>& ways) {
    std::set<std::string, std::less<>> changed;
    for (const Way& way : ways)
      for (const auto& [name, state] : way.changes) changed.insert(name);
    for (const std::string& name : changed) {
      const State before = states_[name];
      State after;
      for (const Way& way : ways) {
        const auto found = way.changes.find(name);
        const State& state = found != way.changes.end() ? found->second : before;
        if (state.empty()) after.push_back({{}, way.condition, true, {}});
        for (Bound bound : state) {
          bound.condition = both(way.condition, bound.condition);
          after.push_back(std::move(bound));
        }
      }
      put(name, merged(std::move(after)));
    }
  }
  static State merged(State state) {
    const bool same = std::ranges::all_of(state, [&](const Bound& one) { return one.value.known() && one.value == state.front().value && !one.absent && !state.front().absent; });
    if (same && !state.empty()) { state.resize(1); state.front().condition.clear(); }
    if (state.size() > most_alternatives) { state.resize(1); state.front() = {{}, "", false, state.front().at}; }
    return state;
  }

  // ---- statements ----
  // Until the dedent that ends this block (or the end of the file).
  void statements(int depth, bool once) {
    while (!ended()) {
      if (now().kind == Kind::dedent) { if (depth > 0) return; ++at_; continue; }
      if (now().kind == Kind::indent || now().kind == Kind::line_end) { ++at_; continue; }
      const std::size_t before = at_;
      statement(depth);
      if (at_ == before) ++at_;
      if (once) return;
    }
  }

  // From behind the colon: an indented block, or the rest of the line.
  void block(int depth) {
    if (is(":")) ++at_;
    if (now().kind != Kind::line_end) { to_line_end([&] { simple(); }); return; }
    ++at_;
    while (now().kind == Kind::line_end) ++at_;
    if (now().kind != Kind::indent) return;
    ++at_;
    statements(depth + 1, false);
    if (now().kind == Kind::dedent) ++at_;
  }
  template <class Run> void to_line_end(Run run) {
    while (now().kind != Kind::line_end && !ended()) {
      const std::size_t before = at_;
      run();
      if (is(";")) ++at_;
      else if (at_ == before || now().kind != Kind::line_end) pass_line();
    }
    if (now().kind == Kind::line_end) ++at_;
  }
  void pass_line() { while (now().kind != Kind::line_end && !ended() && !is(";")) ++at_; }

  // To behind the block of a compound statement whose header begins here.
  void pass_block() {
    const std::size_t header = at_;
    while (now().kind != Kind::line_end && !ended()) ++at_;
    if (ended()) return;
    const bool opens = at_ > header && tokens_[at_ - 1].text == ":";
    ++at_;
    if (!opens || now().kind != Kind::indent) return;
    int open = 0;
    for (; !ended(); ++at_) {
      if (now().kind == Kind::indent) ++open;
      if (now().kind == Kind::dedent && --open == 0) { ++at_; return; }
    }
  }

  // The header's colon at this depth of brackets: behind the condition.
  void to_colon() {
    int open = 0;
    for (; now().kind != Kind::line_end && !ended(); ++at_) {
      if (is("(") || is("[") || is("{")) ++open;
      else if (is(")") || is("]") || is("}")) --open;
      else if (is(":") && open <= 0) return;
    }
  }

  void statement(int depth) {
    if (is("@")) { pass_line(); return; }
    if (is_word("async")) ++at_;
    if (is_word("def") || is_word("class")) {
      if (next().kind == Kind::name && states_.contains(next().text)) assign(std::string(next().text), only({}), place(next()));
      pass_block();
    } else if (depth >= deepest && (is_word("if") || is_word("try") || is_word("with") || is_word("for") || is_word("while"))) uncertain([&] { pass_block(); });
    else if (is_word("if")) conditional(depth);
    else if (is_word("try")) attempt(depth);
    else if (is_word("with")) { header_names(); block(depth); }
    else if (is_word("for") || is_word("while")) loop(depth);
    else if ((is_word("match") || is_word("case")) && header()) uncertain([&] { to_colon(); block(depth); });
    else if (is_word("else") || is_word("elif") || is_word("except") || is_word("finally")) uncertain([&] { to_colon(); block(depth); });
    else to_line_end([&] { simple(); });
  }

  // with x as name, y as other: to the colon.
  void header_names() {
    const std::size_t from = at_;
    to_colon();
    for (std::size_t i = from; i + 1 < at_; ++i)
      if (tokens_[i].kind == Kind::name && tokens_[i].text == "as" && tokens_[i + 1].kind == Kind::name) assign(std::string(tokens_[i + 1].text), only({}), place(tokens_[i + 1]));
  }

  // match and case are words of a statement only where their line ends in a colon.
  bool header() const {
    std::size_t end = at_;
    while (tokens_[end].kind != Kind::line_end && tokens_[end].kind != Kind::end) ++end;
    return end > at_ + 1 && tokens_[end - 1].text == ":";
  }

  struct Test { std::string asked; bool never = false, always = false; };
  // From `if` or `elif`: what is asked, and what that says now.
  Test test() {
    ++at_;
    const std::size_t from = at_;
    const Alternatives value = condition(tokens_, at_, names_);
    const bool read = is(":");
    to_colon();
    Test test;
    test.asked = source_text(tokens_, from, at_);
    test.never = test.always = read;
    for (const Alternative& one : value) {
      const auto yes = truth(one.value);
      test.never &= yes.has_value() && !*yes;
      test.always &= yes.has_value() && *yes;
    }
    return test;
  }

  void conditional(int depth) {
    std::vector<Way> ways;
    std::string otherwise;  // none of the conditions so far
    bool settled = false;   // one of them always holds
    const auto run = [&](const Test& one) {
      Changes changes = branch([&] { block(depth); });
      if (settled || one.never) return;
      ways.push_back({both(otherwise, one.always ? "" : one.asked), std::move(changes)});
      settled = one.always;
      if (!one.always) otherwise = both(otherwise, "not (" + one.asked + ")");
    };
    run(test());
    while (is_word("elif")) run(test());
    if (is_word("else")) {
      ++at_;
      Test always;
      always.always = true;
      run(always);
    }
    if (!settled) ways.push_back({otherwise, {}});
    merge(ways);
  }

  void attempt(int depth) {
    const std::string line = " in line " + std::to_string(now().line);
    ++at_;
    std::vector<Way> ways;
    const std::size_t from = at_;
    Changes tried = branch([&] { block(depth); });
    // With more than one statement in the body, what raised may have done so after some of them.
    const bool partly = std::ranges::count_if(tokens_.subspan(from, at_ - from), [](const Token& token) { return token.kind == Kind::line_end || token.text == ";"; }) > 2;
    bool handled = false;
    std::vector<Way> handlers;
    while (is_word("except")) {
      const std::size_t header = at_;
      to_colon();
      const std::string what = source_text(tokens_, header, at_);
      handled = true;
      handlers.push_back({what + line, branch([&] {
                            if (partly) for (const auto& [name, state] : tried) forget(name);
                            block(depth);
                          })});
    }
    // A try that binds nothing (an import) says nothing about the other names; its handlers do.
    ways.push_back({handled ? "nothing raised" + line : "", std::move(tried)});
    for (Way& way : handlers) ways.push_back(std::move(way));
    if (is_word("else")) {
      ++at_;
      merge(ways);
      ways.clear();
      ways.push_back({handled ? "nothing raised" + line : "", branch([&] { block(depth); })});
      if (handled) ways.push_back({"something raised" + line, {}});
    }
    merge(ways);
    if (is_word("finally")) { ++at_; block(depth); }
  }

  void loop(int depth) {
    uncertain([&] {
      const bool each = is_word("for");
      ++at_;
      if (each)
        for (; now().kind != Kind::line_end && !ended() && !is_word("in"); ++at_)
          if (now().kind == Kind::name) assign(std::string(now().text), only({}), place(now()));
      to_colon();
      block(depth);
      if (is_word("else")) { ++at_; block(depth); }
    });
  }

  // How often this runs is not known: what it assigns is not either.
  template <class Run> void uncertain(Run run) {
    const Changes changes = branch(run);
    for (const auto& [name, state] : changes) put(name, {{{}, "", false, state.empty() ? Place{} : state.back().at}});
  }

  // It is something, but what is not known.
  void forget(const std::string& name) {
    const auto found = states_.find(name);
    const Place at = found == states_.end() || found->second.empty() ? Place{} : found->second.back().at;
    put(name, {{{}, "", false, at}});
  }

  void forget_all() {
    std::vector<std::string> names;
    for (const auto& [name, state] : states_) if (!state.empty() && name != "__name__") names.push_back(name);
    for (const std::string& name : names) forget(name);
  }

  // What another module holds: a setting of that name is set, to what is not known here.
  void import(const Token& name) {
    if (states_.contains(name.text)) assign(std::string(name.text), only({}), place(name));
    else if (imported_.size() < most_names) imported_.emplace(std::string(name.text), place(name));
  }

  // A list that is changed in place changes under its other names too; which those are is not followed, so that all with equal content are.
  void changed_in_place(std::string_view name) {
    const auto found = states_.find(name);
    if (found == states_.end()) return;
    const State was = found->second;
    std::vector<std::string> others;
    for (const auto& [other, state] : states_)
      for (const Bound& bound : state)
        for (const Bound& mine : was)
          if (other != name && (bound.value.kind == Value::Kind::list || bound.value.kind == Value::Kind::dict) && bound.value == mine.value && (others.empty() || others.back() != other)) others.push_back(other);
    for (const std::string& other : others) forget(other);
  }

  static Place place(const Token& token) { return {token.line, token.column}; }

  // One statement of one line, up to `;` or the end of the line.
  void simple() {
    if (is_word("from")) {
      const Token first = now();
      bool names = false;
      for (; now().kind != Kind::line_end && !ended(); ++at_) {
        if (is("*")) { out_.star_imports.push_back(place(first)); forget_all(); }
        if (is_word("import")) { names = true; continue; }
        // `a as b` binds b alone.
        if (names && now().kind == Kind::name && !is_word("as") && !(next().kind == Kind::name && next().text == "as")) import(now());
      }
      return;
    }
    if (now().kind == Kind::name && reserved(now().text)) {
      if (is_word("del") && next().kind == Kind::name) put(std::string(next().text), {});
      if (is_word("import"))
        for (std::size_t i = at_ + 1; i + 1 < tokens_.size() && tokens_[i].kind != Kind::line_end; ++i)
          if (tokens_[i].kind == Kind::name && tokens_[i].text == "as") import(tokens_[i + 1]);
      return pass_line();
    }
    if ((is_word("exec") && next().text == "(") || ((is_word("globals") || is_word("locals") || is_word("vars")) && next().text == "(")) {
      out_.star_imports.push_back(place(now()));
      forget_all();
      return pass_line();
    }
    assignment();
  }

  static bool reserved(std::string_view word) {
    constexpr std::string_view words[] = {"import", "pass", "return", "raise", "assert", "global", "nonlocal", "del", "break", "continue", "yield", "print", "type"};
    return std::ranges::find(words, word) != std::end(words);
  }

  // What stands before one `=`: names to bind, in a tuple maybe; a part of something (a.b, a[0]) makes the whole of it unknown.
  struct Target { std::vector<const Token*> names; const Token* part = nullptr; };
  Target target() {
    Target target;
    while (!ended() && now().kind != Kind::line_end && !is("=") && !is(":") && !is(";") && !augmented()) {
      if (now().kind == Kind::name && (next().text == "." || next().text == "[" || next().text == "(") && next().kind == Kind::mark) {
        target.part = &now();
        condition(tokens_, at_, names_);
        if (&now() == target.part) ++at_;
      } else {
        if (now().kind == Kind::name) target.names.push_back(&now());
        ++at_;
      }
    }
    return target;
  }
  bool augmented() const { return now().kind == Kind::mark && now().text.size() >= 2 && now().text.back() == '=' && !is("==") && !is("!=") && !is("<=") && !is(">=") && !is(":="); }

  void bind(const Target& target, const Alternatives& value) {
    if (target.part) changed_in_place(target.part->text);
    if (target.part && states_.contains(target.part->text)) assign(std::string(target.part->text), only({}), place(*target.part));
    if (target.names.size() == 1 && !target.part) return assign(std::string(target.names.front()->text), value, place(*target.names.front()));
    for (std::size_t i = 0; i < target.names.size(); ++i)
      assign(std::string(target.names[i]->text), map(value, [&](const Value& all) { return (all.kind == Value::Kind::tuple || all.kind == Value::Kind::list) && all.items.size() == target.names.size() ? all.items[i] : Value{}; }), place(*target.names[i]));
  }

  void assignment() {
    std::vector<Target> targets;
    const std::size_t from = at_;
    Target first = target();
    if (is(":") && first.names.size() == 1) {  // name: type = value
      ++at_;
      condition(tokens_, at_, names_);
      if (!is("=")) return;
    } else if (augmented() && first.names.size() == 1 && !first.part) {
      const std::string op(now().text.substr(0, now().text.size() - 1));
      ++at_;
      const auto known = names_.find(first.names.front()->text);
      const Alternatives before = known != names_.end() ? known->second : only({});
      const Alternatives by = expression(tokens_, at_, names_);
      changed_in_place(first.names.front()->text);
      return bind(first, line_read() ? map(before, by, [&](const Value& a, const Value& b) { return apply(op, a, b); }) : only({}));
    } else if (!is("=")) {
      if (first.part) bind({{}, first.part}, only({}));  // bind.append(...): the list is no longer what it was
      return;
    }
    targets.push_back(std::move(first));
    Alternatives value;
    while (is("=") && targets.size() < 20) {
      ++at_;
      const std::size_t begin = at_;
      value = expression(tokens_, at_, names_);
      if (at_ == begin) value = only({});
      if (!is("=")) break;
      if (at_ == begin) { value = only({}); break; }  // `= =`
      const std::size_t end = at_;
      at_ = begin;
      targets.push_back(target());
      if (at_ != end) { value = only({}); break; }
    }
    if (!line_read() || at_ == from) value = only({});
    for (const Target& one : targets) bind(one, value);
  }

  // Whether the expression reached the end of its statement; what follows it otherwise was not understood.
  bool line_read() const { return now().kind == Kind::line_end || is(";") || ended(); }

  std::span<const Token> tokens_;
  std::size_t at_ = 0;
  std::map<std::string, State, std::less<>> states_;
  std::map<std::string, Place, std::less<>> imported_;
  Names names_;
  std::vector<std::string> order_;
  std::set<std::string, std::less<>> ordered_;
  std::vector<Changes> branches_;
  Bindings out_;
};

}  // namespace

Bindings bindings_of(std::string_view source) {
  const Tokens tokens = tokens_of(source);
  Bindings bindings = Walk(tokens).run();
  bindings.wrong_line = tokens.wrong_line;
  return bindings;
}

}  // namespace parse::python

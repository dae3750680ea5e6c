#include "parse/python/module.hpp"
#include "support/catch.hpp"

using parse::python::Module;
using parse::python::module_of;
using parse::python::Name;

namespace {

std::string names(const Module& module) {
  constexpr const char* kinds[] = {"value", "call", "alias", "function", "type", "import"};
  std::string out;
  for (const Name& name : module.names) out += (name.function.empty() ? "" : name.function + "/") + name.name + ":" + kinds[static_cast<int>(name.kind)] + (name.of.empty() ? "" : "=" + name.of) + (name.conditional ? "?" : "") + " ";
  return out;
}

std::string calls(const Module& module) {
  std::string out;
  for (const auto& call : module.calls) out += (call.function.empty() ? "" : call.function + "/") + call.callee + "(" + call.arguments + ") ";
  return out;
}

}  // namespace

TEST_CASE("a module's names: imports, calls, functions, branches") {
  CHECK(names(module_of("import a.b, c as d\nfrom .x import (y as z,\n  w)\n")) == "a:import=a.b: d:import=c: z:import=.x:y w:import=.x:w ");
  CHECK(names(module_of("app = FastAPI()\napi: Any = site = flask.Flask(__name__)\nx, (y, z) = f()\nw = app\nv = Flask(__name__).wsgi_app\no.attribute = 1\n")) ==
        "app:call=FastAPI api:call=flask.Flask site:call=flask.Flask x:value y:value z:value w:alias=app v:value ");
  CHECK(names(module_of("try:\n    from a import app\nexcept ImportError:\n    app = None\nclass A:\n    b = 1\n    def c(self): pass\ndef f():\n    g = h()\n    return g\n")) ==
        "app:import=a:app? app:value? A:type f:function f/g:call=h ");
  CHECK(names(module_of("if __name__ == \"__main__\":\n    app = 1\nif TYPE_CHECKING:\n    import a\nfor i in range(3): j = i\nwith open(f) as g:\n    pass\n")) == "i:value? j:alias=i? g:value? ");
}

TEST_CASE("an assignment inside an expression binds a name") { CHECK(names(module_of("if (app := make()):\n    pass\n")) == "app:value? "); }

TEST_CASE("a module's calls: what runs at the import and what a function does") {
  const Module module = module_of("monkey.patch_all()\nThread(target=run).start()\nhandler = lambda: later()\n@app.route(\"/\")\ndef view():\n    inner(1, [2])\nclass A:\n    x = at_once()\n    def m(self):\n        method()\n");
  CHECK(calls(module) == "monkey.patch_all() Thread(target=run) .start() app.route(\"/\") view/inner(1, [2]) at_once() .m/method() ");
}

TEST_CASE("what a function takes and gives") {
  const Module module = module_of("def f(a, b=1, *c, d, **e): return app\nasync def g(scope, receive, send): pass\n@wrap\ndef h(): return FastAPI(title=\"x\")\n");
  REQUIRE(module.names.size() == 3);
  CHECK((module.names[0].positional == 2 && module.names[0].needed == 1 && module.names[0].any_arguments));
  CHECK((module.names[1].coroutine && module.names[1].positional == 3));
  CHECK((module.names[2].decorated && !module.names[0].decorated));
  REQUIRE(module.returns.size() == 2);
  CHECK((module.returns[0].function == "f" && module.returns[0].of == "app" && !module.returns[0].call));
  CHECK((module.returns[1].function == "h" && module.returns[1].of == "FastAPI" && module.returns[1].call));
}

TEST_CASE("names that an import made, and the last binding") {
  const Module module = module_of("import gevent.monkey\nfrom flask import Flask as F\nfrom . import sibling\napp = F(__name__)\nif x:\n    app = wrap(app)\n");
  CHECK(module.full("F") == "flask.Flask");
  CHECK(module.full("gevent.monkey.patch_all") == "gevent.monkey.patch_all");
  CHECK(module.full("sibling.thing") == ".sibling.thing");
  CHECK(module.full("print") == "print");
  REQUIRE(module.bound("app").size() == 2);
  CHECK(module.bound("nothing").empty());
}

TEST_CASE("where names may come from elsewhere") {
  for (const char* open : {"from a import *\n", "exec(code)\n", "globals()['app'] = 1\n", "def __getattr__(name): return 1\n", "setattr(sys.modules[__name__], \"app\", make())\n"}) {
    INFO(open);
    CHECK(module_of(open).open);
  }
  CHECK_FALSE(module_of("def f():\n    exec(code)\n").open);
  CHECK(module_of("app = (\n").wrong_line == 1);
}

#include "parse/python/bindings.hpp"
#include "parse/python/token.hpp"

#include "support/catch.hpp"

namespace {

// name@line:column=value [when condition] | ...
std::string read(std::string_view source) {
  std::string text;
  for (const auto& binding : parse::python::bindings_of(source).names) {
    if (!text.empty()) text += "; ";
    text += binding.name;
    bool first = true;
    for (const auto& bound : binding.values) {
      text += first ? "=" : " | ";
      first = false;
      text += bound.absent ? "(unset)" : bound.value.known() ? parse::python::shown(bound.value) : "?";
      if (!bound.condition.empty()) text += " [" + bound.condition + "]";
    }
  }
  return text;
}

}  // namespace

TEST_CASE("literals") {
  CHECK(read("a = 1\nb = 0x1F\nc = 1_000\nd = 2.5\ne = 'x'\nf = None\ng = True\n") == "a=1; b=31; c=1000; d=2.5; e=x; f=None; g=True");
  CHECK(read("a = 'one' \"two\" '''three'''\nb = r'\\n'\nc = '\\x41\\t\\u00e9\\101'\n") == "a=onetwothree; b=\\n; c=A\t\xc3\xa9" "A");
  CHECK(read("a = ['x', 'y',]\nb = ('x',)\nc = {'k': 1}\nd = []\ne = (3)\nf = 1, 2\n") == "a=x,y; b=x; c={k: 1}; d=; e=3; f=1,2");
  CHECK(read("a = '''two\nlines'''\nb = 3\n") == "a=two\nlines; b=3");
  CHECK(read("a = b'bytes'\nb = 1j\nc = ...\n") == "a=?; b=?; c=?");
  CHECK(read("\xef\xbb\xbf" "a = 1\r\nb = 2\r\n") == "a=1; b=2");
}

TEST_CASE("names, arithmetic, calls") {
  CHECK(read("a = 2\nb = a * 3 + 1\nc = -b // 2\nd = 2 ** 10\ne = 7 % 4\nf = 7 / 2\n") == "a=2; b=7; c=-4; d=1024; e=3; f=3.5");
  CHECK(read("a = int('8') + int(2.9)\nb = str(5) + 'm'\nc = max(1, 5, 3)\nd = min([4, 2])\ne = float('1.5')\n") == "a=10; b=5m; c=5; d=2; e=1.5");
  CHECK(read("import multiprocessing\nworkers = multiprocessing.cpu_count() * 2 + 1\nn = min(multiprocessing.cpu_count(), 4)\n") == "workers=cpu_count() * 2 + 1; n=?");
  CHECK(read("a = 8190 * 4\na += 10\nb = 'x'\nb += 'y'\n") == "a=32770; b=xy");
  CHECK(read("a = b = 3\nc, d = 1, 'z'\ne: int = 4\nf: str\n(g, h) = (5, 6)\n") == "a=3; b=3; c=1; d=z; e=4; g=5; h=6");
  CHECK(read("a = 1; b = 2\n") == "a=1; b=2");
  CHECK(read("port = 80\nbind = f'0.0.0.0:{port}'\nb2 = '%s:%d' % ('h', port)\nb3 = '{}:{}'.format('h', port)\nb4 = f'{port:04d}'\n") == "port=80; bind=0.0.0.0:80; b2=h:80; b3=h:80; b4=?");
  CHECK(read("d = {'a': 1, 'b': 2}\nx = d['b']\ny = d.get('c', 9)\nl = [1, 2]\nz = l[-1]\n") == "d={a: 1, b: 2}; x=2; y=9; l=1,2; z=2");
  CHECK(read("a = 5 if 1 < 2 else 6\nb = None or 7\nc = 0 and 8\nd = not 1\ne = 'a' in 'abc'\n") == "a=5; b=7; c=0; d=False; e=True");
  CHECK(read("a = 'A,b'.lower().split(',')\n") == "a=a,b");
}

TEST_CASE("what cannot be told is unknown, never an error") {
  CHECK(read("a = f(1)\nb = lambda x: x + 1\nc = [i for i in range(3)]\nd = x.y.z\ne = open('f').read()\ng = 1\n") == "a=?; b=?; c=?; d=?; e=?; g=1");
  CHECK(read("workers = = 2\nb = 1\n") == "workers=?; b=1");
  CHECK(read("a = 9223372036854775807 + 1\nb = 1 // 0\nc = 'x' * 10 ** 9\nd = 10 ** 400\ne = 1 << 90\n") == "a=?; b=?; c=?; d=?; e=?");
  CHECK(read("a = (1 +\nb = 2\n") == "a=?");
  CHECK(read("a = 'open\nb = 2\n") == "a=?; b=2");
  CHECK(read("a = 1 2\nb = $3\n") == "a=?; b=?");
}

TEST_CASE("the environment with and without a default") {
  CHECK(read("import os\nw = int(os.environ.get('WEB', 2))\n") == "w=2 [WEB is not set] | ? [WEB is set]");
  CHECK(read("import os\nw = os.getenv('WEB')\n") == "w=None [WEB is not set] | ? [WEB is set]");
  CHECK(read("import os\nw = os.environ['WEB']\nx = os.environ.get(name, 2)\n") == "w=?; x=?");
  CHECK(read("from os import environ\nbind = f\"0.0.0.0:{environ.get('P', 5985)}\"\n") == "environ=?; bind=0.0.0.0:5985 [P is not set] | ? [P is set]");
  CHECK(read("bind = f\"0.0.0.0:{os.environ.get(\"P\", 5985)}\"\n") == "bind=0.0.0.0:5985 [P is not set] | ? [P is set]");
  CHECK(read("import os\nw = int(os.getenv('W') or 4) * 2\n") == "w=8 [W is not set] | ? [W is set]");
}

TEST_CASE("branches keep their values with the condition") {
  CHECK(read("if env('X'):\n    timeout = 120\nelse:\n    timeout = 30\n") == "timeout=120 [env('X')] | 30 [not (env('X'))]");
  CHECK(read("timeout = 30\nif ENV == 'production':\n  timeout = 120\n") == "timeout=120 [ENV == 'production'] | 30 [not (ENV == 'production')]");
  CHECK(read("if a():\n  reload = True\n") == "reload=True [a()] | (unset) [not (a())]");
  CHECK(read("if a():\n  t = 1\nelif b():\n  t = 2\nelse:\n  t = 3\n") == "t=1 [a()] | 2 [not (a()) and b()] | 3 [not (a()) and not (b())]");
  CHECK(read("if True:\n  t = 1\nelse:\n  t = 2\nif 1 > 2: u = 3\nelif True: u = 4\nelse: u = 5\n") == "t=1; u=4");
  CHECK(read("if x(): t = 1\nelse: t = 1\n") == "t=1");
  CHECK(read("if __name__ == '__main__':\n  t = 1\nu = 2\n") == "u=2");
  CHECK(read("t = 1\nif x():\n  if y():\n    t = 2\nw = t + 1\n") == "t=2 [x() and y()] | 1 [x() and not (y())] | 1 [not (x())]; w=3 [x() and y()] | 2 [x() and not (y())] | 2 [not (x())]");
  CHECK(read("t = 5 if x() else 6\n") == "t=5 [x()] | 6 [not (x())]");
}

TEST_CASE("try, with, loops, definitions") {
  CHECK(read("try:\n  w = int(os.environ['W'])\nexcept KeyError:\n  w = 4\n") == "w=? [nothing raised in line 1] | 4 [except KeyError in line 1]");
  CHECK(read("try:\n  import x\nexcept ImportError:\n  x = None\nelse:\n  y = 1\nfinally:\n  z = 2\n").find("z=2") != std::string::npos);
  CHECK(read("w = 4\ntry:\n  w = int(os.environ['W'])\nexcept KeyError:\n  pass\n") == "w=? [nothing raised in line 2] | 4 [except KeyError in line 2]");
  CHECK(read("w = 4\ntry:\n  w = 5\n  f()\nexcept: pass\n") == "w=5 [nothing raised in line 2] | ? [except in line 2]");
  CHECK(read("a = [1]\nb = a\nc = [2]\nb += [3]\n") == "a=?; b=1,3; c=2");
  CHECK(read("with open('f') as f:\n  a = 1\n") == "f=?; a=1");
  CHECK(read("n = 1\nfor i in range(3):\n  n = n + i\nm = 2\n") == "n=?; i=?; m=2");
  CHECK(read("def post_fork(server, worker):\n    timeout = 5\n\nclass X:\n    workers = 3\n\n@deco\nasync def y():\n    a = 1\nb = 2\n") == "b=2");
  CHECK(read("def one(s, w): timeout = 3\ngraceful_timeout=3\n") == "graceful_timeout=3");
  CHECK(read("l = ['a']\nl.append('b')\nd = {}\nd['x'] = 1\n") == "l=?; d=?");
  CHECK(read("a = 1\ndel a\nb = 2\n") == "b=2");
  CHECK(read("match x:\n  case 1:\n    a = 1\nmatch = 4\n") == "a=?; match=4");
}

TEST_CASE("places are exact") {
  const auto bindings = parse::python::bindings_of("# c\n\"\"\"doc\nstring\"\"\"\nx = 1; bind = '\xc3\xa9'; workers = 2\nif a:\n    timeout = [\n      1,\n    ]\nt = \\\n  3\n");
  std::string text;
  for (const auto& binding : bindings.names) text += binding.name + "@" + std::to_string(binding.values.front().at.line) + ":" + std::to_string(binding.values.front().at.column) + " ";
  CHECK(text == "x@4:1 bind@4:8 workers@4:20 timeout@6:5 t@9:1 ");
}

TEST_CASE("what may hide settings, and what is no Python, is said") {
  CHECK(parse::python::bindings_of("a = 1\nfrom base import *\n").star_imports.size() == 1);
  CHECK(parse::python::bindings_of("exec(open('x').read())\n").star_imports.size() == 1);
  CHECK(parse::python::bindings_of("a = (1\n").wrong_line == 1);
  CHECK(parse::python::bindings_of("a = 1\nb = 'x\n").wrong_line == 2);
  CHECK(parse::python::bindings_of("a = 1\n").wrong_line == 0);
}

TEST_CASE("deep, long and odd sources stay bounded") {
  CHECK(parse::python::bindings_of("a = " + std::string(100000, '(')).names.size() <= 1);
  CHECK(parse::python::bindings_of("a = " + std::string(100000, '-') + "1").names.size() <= 1);
  std::string nested, conditions, sums = "a = 1";
  for (int i = 0; i < 300; ++i) nested += std::string(static_cast<std::size_t>(i), ' ') + "if x:\n";
  nested += std::string(300, ' ') + "a = 1\n";
  CHECK(parse::python::bindings_of(nested).names.size() <= 1);
  for (int i = 0; i < 5000; ++i) conditions += "if x" + std::to_string(i) + ":\n  a = " + std::to_string(i) + "\n";
  CHECK(read(conditions).size() < 10000);
  for (int i = 0; i < 50000; ++i) sums += " + 1";
  CHECK(read(sums) == "a=50001");
  std::string bytes;
  unsigned seed = 7;
  constexpr std::string_view alphabet = "ab=()[]{}:,.'\"\n\t #if elsetryf{}\\+-*<>\xff\x01";
  for (int i = 0; i < 200000; ++i) {
    seed = seed * 1103515245 + 12345;
    bytes += alphabet[(seed >> 16) % alphabet.size()];
  }
  CHECK(parse::python::bindings_of(bytes).names.size() < 2000);
}

TEST_CASE("a statement that no Python reads is found by its place, odd Python is not") {
  const auto at = [](std::string_view source) {
    const auto place = parse::python::stumble(source);
    return std::to_string(place.line) + ":" + std::to_string(place.column) + (place.python_2 ? " 2" : "");
  };
  CHECK(at("bind = ':80'\ntimeout 30\n") == "2:9");
  CHECK(at("workers =\ntimeout = 30\n") == "1:9");
  CHECK(at("timeout = 30s\n") == "1:11");
  CHECK(at("bind = 0.0.0.0:8000\n") == "1:8");
  CHECK(at("limits = [1, 2 3]\n") == "1:16");
  CHECK(at("print 'x'\n") == "1:7 2");
  CHECK(at("a = 1if b else 0\nb = 0x1f or 1e-3 or 1_000 or 2j\nc = 'a' 'b' f'{d!r}'\nmatch = 3\nmatch a:\n  case 1: pass\ntype X = int\nasync def f(): await g\nd = not a in (b, *c)\nx: int = 3\nlambda y: y\n") == "0:0");
  CHECK(at("try:\n  import a as b\nexcept (E, F) as e:\n  raise G from e\nwith h() as i, j() as k: del l\nglobal m; n = o if p else q; assert r, s; return t\n") == "0:0");
  CHECK(at("") == "0:0");
}

TEST_CASE("names that are bound elsewhere are not known") {
  CHECK(read("from shared import timeout, workers as w\nimport os as threads\n") == "threads=?; timeout=?; w=?");
  CHECK(read("from shared import timeout\ntimeout = 5\n") == "timeout=5");
  CHECK(read("timeout = 5\nfrom shared import timeout\n") == "timeout=?");
  CHECK(read("workers = 5\ndef f():\n  global workers\n  workers = 6\nf()\n") == "workers=?");
  CHECK(read("workers = 5\nexec('workers = 9')\n") == "workers=?");
  CHECK(read("workers = 5\nfrom base import *\nbind = 'x'\n") == "workers=?; bind=x");
  CHECK(read("x = (n := 3) + 1\n").ends_with("n=?"));
  CHECK(read("a = '\\N{BULLET}'\n") == "a=?");
}

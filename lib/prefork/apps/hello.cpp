#include "prefork/built_in.hpp"

namespace prefork {
namespace {

void greet(Exchange& exchange) { exchange.answer(200, "text/plain", "Hello, world!"); }

}  // namespace

namespace apps_of {
extern const BuiltIn hello = {"hello", "answers \"Hello, world!\"", {.handle = greet}};
}
}  // namespace prefork

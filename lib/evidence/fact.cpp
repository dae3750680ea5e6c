#include "evidence/fact.hpp"

namespace evidence {

What::What() noexcept = default;
What::What(const What& other) = default;
What::What(What&& other) noexcept = default;
What& What::operator=(const What& other) = default;
What& What::operator=(What&& other) noexcept = default;
What::~What() = default;

// used: at -O2 g++ 12 keeps of an empty kind's take() only a clone that no other file can call, and the release build did not link.
template <class T> [[gnu::noinline, gnu::used]] void What::take(T&& kind) { AnyWhat::operator=(std::move(kind)); }

// Makes take() of every kind, here alone.
template <class Any> struct Takes;
template <class... Kinds> struct Takes<std::variant<Kinds...>> {
  static void all(What& what, typename Unboxed<Kinds>::Type&&... kinds) { (what.take(std::move(kinds)), ...); }
};
template struct Takes<AnyWhat>;

}  // namespace evidence

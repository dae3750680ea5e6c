#include "evidence/fact.hpp"

#include <tuple>

namespace evidence {

What::What() noexcept = default;
What::What(const What& other) = default;
What::What(What&& other) noexcept = default;
What& What::operator=(const What& other) = default;
What& What::operator=(What&& other) noexcept = default;
What::~What() = default;

template <class T> void What::take(T&& kind) { AnyWhat::operator=(std::move(kind)); }

// Makes take() of every kind, here alone.
template <class Any> struct Takes;
template <class... Kinds> struct Takes<std::variant<Kinds...>> {
  [[gnu::used]] static constexpr std::tuple<void (What::*)(typename Unboxed<Kinds>::Type&&)...> all{&What::take<typename Unboxed<Kinds>::Type>...};
};
template struct Takes<AnyWhat>;

}  // namespace evidence

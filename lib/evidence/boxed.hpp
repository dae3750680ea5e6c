// A value kept outside of what holds it, copied with it. For the few large kinds of facts: a log gives tens of thousands of small ones, and each
// has the size of the largest kind that is kept inside.
#pragma once

#include <memory>
#include <type_traits>
#include <utility>

namespace evidence {

template <class T>
class Boxed {
 public:
  Boxed() : kept_(std::make_unique<T>()) {}
  Boxed(T kept) : kept_(std::make_unique<T>(std::move(kept))) {}
  Boxed(const Boxed& other) : kept_(std::make_unique<T>(*other.kept_)) {}
  Boxed(Boxed&&) noexcept = default;   // what was moved from may only be assigned to or destroyed
  Boxed& operator=(Boxed other) noexcept {
    kept_ = std::move(other.kept_);
    return *this;
  }
  ~Boxed() = default;

  T& operator*() { return *kept_; }
  const T& operator*() const { return *kept_; }

 private:
  std::unique_ptr<T> kept_;
};

template <class T> struct Unboxed { using Type = T; };
template <class T> struct Unboxed<Boxed<T>> { using Type = T; };

/// The value itself, boxed or not.
template <class T>
decltype(auto) unboxed(T& what) {
  if constexpr (std::is_same_v<typename Unboxed<std::remove_const_t<T>>::Type, std::remove_const_t<T>>) return (what);
  else return *what;
}

}  // namespace evidence

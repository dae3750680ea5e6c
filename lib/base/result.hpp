// Errors as values: what we were doing, what the answer was, and the remedy. An Error is for what the caller asked for; a part of the
// world that could not be seen is a Gap (evidence/gap.hpp), and something about the user's servers is a Finding (rule/finding.hpp).
#pragma once

#include <expected>
#include <string>
#include <utility>

namespace base {

enum class Kind { usage, missing, refused, malformed, unsupported, busy, internal };

struct Error {
  Kind kind = Kind::internal;
  std::string doing;   // "reading /dev/kmsg"
  std::string answer;  // "Operation not permitted"
  std::string remedy;  // "run as root, or grant CAP_SYSLOG"; empty when there is none
  int code = 0;        // errno where the answer came from the kernel
};

template <class T = void>
using Result = std::expected<T, Error>;

/// One sentence: "reading /dev/kmsg: Operation not permitted; run as root, or grant CAP_SYSLOG".
std::string sentence(const Error& error);

/// The Error for a failed system call, with errno's text; remedies known for EACCES, EPERM, ENOENT are left to the caller.
Error from_errno(int code, std::string doing, std::string remedy = {});

inline std::unexpected<Error> fail(Error error) { return std::unexpected<Error>(std::move(error)); }

}  // namespace base

// TRY(name, expression): `name` is the value, or the function returns the error. The one macro of the house, for g++ 12 has no and_then.
#define TRY(name, ...)                                                         \
  auto name##_or_error = (__VA_ARGS__);                                        \
  if (!name##_or_error) return std::unexpected(std::move(name##_or_error).error()); \
  auto& name = *name##_or_error

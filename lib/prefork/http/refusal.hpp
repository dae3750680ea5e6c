// Why a request was not taken, in gunicorn's classes of error (http/errors.py), and what the client is told.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace prefork {

enum class Refusal : std::uint8_t {
  none, request_line, method, version, version_unsupported, header, header_name, obsolete_folding, limit_line, limit_fields, transfer_coding, chunk_size,
  chunk_extension, chunk_terminator, scheme_headers, proxy_line, forbidden_proxy, expectation, body_too_large, timed_out, no_host
};

struct Answer {
  int status = 400;
  std::string_view reason = "Bad Request";
};

/// gunicorn answers 400 to nearly everything (workers/base.py handle_error); `exact` answers 414, 431, 505, 413 and 408 where the RFC has them.
Answer answer_to(Refusal refusal, bool exact);

/// gunicorn's text for the log and the body of the answer: "Invalid HTTP request line: 'x'". `what` is the offending text.
std::string refusal_text(Refusal refusal, std::string_view what);

/// The reason phrase of a status; "Unknown" for one that has none.
std::string_view reason_of(int status);

}  // namespace prefork

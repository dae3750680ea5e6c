#include "prefork/http/refusal.hpp"

#include "base/text.hpp"

namespace prefork {

Answer answer_to(Refusal refusal, bool exact) {
  switch (refusal) {
    case Refusal::transfer_coding: return {501, "Not Implemented"};
    case Refusal::expectation: return {417, "Expectation Failed"};
    case Refusal::forbidden_proxy: return {403, "Forbidden"};
    default: break;
  }
  if (!exact) return {400, "Bad Request"};
  switch (refusal) {
    case Refusal::limit_line: return {414, "URI Too Long"};
    case Refusal::limit_fields: return {431, "Request Header Fields Too Large"};
    case Refusal::version_unsupported: return {505, "HTTP Version Not Supported"};
    case Refusal::body_too_large: return {413, "Content Too Large"};
    case Refusal::timed_out: return {408, "Request Timeout"};
    default: return {400, "Bad Request"};
  }
}

std::string refusal_text(Refusal refusal, std::string_view what) {
  const std::string quoted = "'" + base::printable(what, 200) + "'";
  switch (refusal) {
    case Refusal::none: return "";
    case Refusal::request_line: return "Invalid HTTP request line: " + quoted;
    case Refusal::method: return "Invalid HTTP method: " + quoted;
    case Refusal::version:
    case Refusal::version_unsupported: return "Invalid HTTP Version: " + quoted;
    case Refusal::header: return "Invalid HTTP Header: " + quoted;
    case Refusal::header_name: return "Invalid HTTP header name: " + quoted;
    case Refusal::obsolete_folding: return "Obsolete line folding is unacceptable: " + quoted;
    case Refusal::limit_line: return "Request Line is too large";
    case Refusal::limit_fields: return "limit request headers fields size";
    case Refusal::transfer_coding: return "Unsupported transfer coding: " + quoted;
    case Refusal::chunk_size: return "Invalid chunk size: " + quoted;
    case Refusal::chunk_extension: return "Invalid chunk extension: " + quoted;
    case Refusal::chunk_terminator: return "Invalid chunk terminator is not '\\r\\n': " + quoted;
    case Refusal::scheme_headers: return "Contradictory scheme headers";
    case Refusal::proxy_line: return "Invalid PROXY line: " + quoted;
    case Refusal::forbidden_proxy: return "Proxy request from " + quoted + " not allowed";
    case Refusal::expectation: return "Unable to comply with expectation: " + quoted;
    case Refusal::body_too_large: return "Request body is too large";
    case Refusal::timed_out: return "Request not received in time";
    case Refusal::no_host: return "Invalid HTTP Header: 'HOST'";
  }
  return "";
}

std::string_view reason_of(int status) {
  switch (status) {
    case 100: return "Continue";
    case 101: return "Switching Protocols";
    case 200: return "OK";
    case 201: return "Created";
    case 202: return "Accepted";
    case 204: return "No Content";
    case 206: return "Partial Content";
    case 301: return "Moved Permanently";
    case 302: return "Found";
    case 303: return "See Other";
    case 304: return "Not Modified";
    case 307: return "Temporary Redirect";
    case 308: return "Permanent Redirect";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 408: return "Request Timeout";
    case 409: return "Conflict";
    case 413: return "Content Too Large";
    case 414: return "URI Too Long";
    case 416: return "Range Not Satisfiable";
    case 417: return "Expectation Failed";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 502: return "Bad Gateway";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    case 505: return "HTTP Version Not Supported";
    default: return "Unknown";
  }
}

}  // namespace prefork

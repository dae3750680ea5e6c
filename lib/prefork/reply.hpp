// An answer on its way out: its head in gunicorn's order (Server, Date, Connection), then the body counted or in chunks. Only bytes; whoever owns the
// connection sends them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "prefork/app.hpp"
#include "prefork/http/head.hpp"

namespace prefork {

/// The Date field's text, made anew once a second.
class DateText {
 public:
  std::string_view now();
  std::int64_t wall() const { return wall_; }

 private:
  std::int64_t wall_ = -1;
  char room_[32]{};
  std::size_t size_ = 0;
};

class Reply {
 public:
  /// For the next request; `may_keep` false closes whatever the request says. `keep_fields`: remember the application's fields for the access log.
  void start(const Head& head, bool may_keep, bool keep_fields);
  bool begin(int status, const Field* fields, std::size_t count, std::int64_t length, std::string_view date, std::string& out);
  /// Adds what of `bytes` belongs to the answer.
  void put(std::string_view bytes, std::string& out);
  /// The end of the application's work: an answer that it did not give is a 500; one that is too short closes the connection.
  void finish(std::string_view date, std::string& out);

  bool begun() const { return begun_; }
  bool keeps() const { return keep_; }
  void close() { keep_ = false; }
  int status() const { return status_; }
  std::uint64_t sent() const { return sent_; }
  bool wants_body() const { return begun_ && body_; }
  const std::vector<std::pair<std::string, std::string>>& fields() const { return fields_; }

 private:
  bool begun_ = false, keep_ = false, chunked_ = false, body_ = true, head_only_ = false, old_ = false, keep_fields_ = false;
  int status_ = 0;
  std::int64_t left_ = -1;
  std::uint64_t sent_ = 0;
  std::vector<std::pair<std::string, std::string>> fields_;
};

/// A whole refusal with its small page, as gunicorn's util.write_error makes it; always closes.
std::string error_page(int status, std::string_view reason, std::string_view text);

}  // namespace prefork

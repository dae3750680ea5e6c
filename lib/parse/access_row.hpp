// One row of an access log, for whoever asks about single requests: the reader of the access-log format, without evidence around it.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "parse/format.hpp"

namespace parse {

struct AccessRow {
  std::string method, uri;
  int status = 0;
  double seconds = -1, upstream = -1;   // $request_time, $upstream_response_time (of the last server that was asked); negative: not in the row
};

class AccessReader {
 public:
  AccessReader();
  /// nullopt for what is no row of an access log.
  std::optional<AccessRow> read(std::string_view line);

 private:
  std::unique_ptr<State> state_;
};

}  // namespace parse

// What is in force at one pass of nginx: every setting that decides how it treats a request, its own, inherited or the default of the version.
// The words are those of the linter's conditions ("read_timeout", "next_upstream", "keepalive"); the linter and the model of timeouts read them
// here. A value that an unread include may set, or that depends on an unknown version, is unknown.
#pragma once

#include "model/deployment.hpp"

namespace model {

class PassSettings {
 public:
  PassSettings(const Nginx& nginx, const Pass& pass) : nginx_(nginx), pass_(pass) {}

  /// Never empty; one choice, unknown for a word that is none.
  Choices of(std::string_view word) const;
  /// nginx really keeps connections to the upstream: HTTP/1.1 and no Connection: close.
  Choices connection_kept() const;
  /// keepalive stands in the upstream block.
  bool keepalive_set() const;
  /// A time that has no prefix: client_body_timeout, send_timeout.
  Choices plain_time(std::string_view directive, const std::string& built_in) const;

 private:
  // What states a setting: a directive, or a value that the user asked about instead of it.
  struct Stated { bool there = false, unsure = false; std::vector<std::string> arguments; Spot at; };
  Stated stated(std::string_view word) const;
  Stated stated_as(std::string_view word, std::string_view directive) const;
  bool unfixed(const Stated& found) const;  // nothing states it, and that does not make it the default
  Spot server_spot() const;
  Choices time(const Stated& found, const std::string& built_in) const;
  Choices number(std::string_view word, double built_in) const;
  Choices words(std::string_view word, std::vector<std::string> built_in) const;
  Choices flag(std::string_view word, bool built_in) const;
  Choices peer_number(bool fails) const;
  Choices http_version() const;
  Choices connection_cleared() const;
  Choices keepalive() const;
  Choices keepalive_timeout() const;
  Choices unix_path() const;

  const Nginx& nginx_;
  const Pass& pass_;
};

/// "location /api", or the pass itself where no location is around it.
std::string pass_name(const Nginx& nginx, const Pass& pass);
const Upstream* upstream_of(const Nginx& nginx, const Pass& pass);
/// nginx older than 1.29.7, where upstreams keep no connections unless told to; `otherwise`: of an unknown version.
bool before_kept_connections(const Nginx& nginx, bool otherwise);

}  // namespace model

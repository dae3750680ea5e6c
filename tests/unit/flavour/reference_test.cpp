#include "flavour/flavour.hpp"
#include "support/catch.hpp"

using flavour::Ending;

TEST_CASE("triage-server is known by its program and its title") {
  const flavour::Flavour* known = flavour::flavour("reference");
  REQUIRE(known);
  CHECK(known->recognise("triage-server: master [builtin:demo]"));
  CHECK(known->recognise("/usr/bin/triage-server -w 2 builtin:demo"));
  CHECK(known->recognise(std::string_view("triage-server\0builtin:demo", 26)));
  CHECK_FALSE(known->recognise("vi triage-server"));
  CHECK_FALSE(known->recognise("triage watch"));
  CHECK_FALSE(known->recognise(""));
}

TEST_CASE("what triage-server would have said of an end") {
  const flavour::Flavour& known = *flavour::flavour("reference");
  const auto family = known.family("0.1.0");
  CHECK(known.would_log(family, "critical", Ending::timeout_abort) == std::optional(true));
  CHECK(known.would_log(family, "info", Ending::exit_zero) == std::optional(false));
  CHECK(known.would_log(family, "error", Ending::signal_kill) == std::optional(true));
  CHECK(known.would_log(family, "error", Ending::signal_other) == std::optional(false));
  CHECK(known.would_log(family, "warning", Ending::signal_term) == std::optional(false));
  CHECK(known.would_log(family, "info", Ending::signal_term) == std::optional(true));
  CHECK_FALSE(known.would_log(family, "", Ending::signal_kill).has_value());
  CHECK_FALSE(known.would_log("", "info", Ending::signal_kill).has_value());
  CHECK(known.timeout_exit_code(family) == std::optional(1));
}

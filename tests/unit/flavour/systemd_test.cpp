#include "flavour/systemd.hpp"

#include <cmath>

#include "support/catch.hpp"

using namespace flavour;

namespace {

std::string joined(const std::vector<std::string>& all) {
  std::string text;
  for (const auto& one : all) text += (text.empty() ? "" : " ") + one;
  return text;
}

}  // namespace

TEST_CASE("the names that make a unit") {
  CHECK(joined(unit_names("web.service")) == "web.service");
  CHECK(joined(unit_names("web@blue.service")) == "web@blue.service web@.service");
  CHECK(joined(unit_names("web@.service")) == "web@.service");
  CHECK(joined(drop_in_folders("web.service")) == "web.service.d service.d");
  CHECK(joined(drop_in_folders("web@blue.service")) == "web@blue.service.d web@.service.d service.d");
  CHECK(joined(drop_in_folders("a-b-c.socket")) == "a-b-c.socket.d a-b-.socket.d a-.socket.d socket.d");
  CHECK(joined(drop_in_folders("nothing")) == "");
}

TEST_CASE("of a unit's files the stronger folder counts, and drop-ins come by name") {
  CHECK(joined(files_of_unit({"/usr/lib/systemd/system/web.service", "/etc/systemd/system/web.service", "/etc/systemd/system/other.service"}, "web.service")) == "/etc/systemd/system/web.service");
  CHECK(joined(files_of_unit({"/etc/systemd/system/web@.service", "/usr/lib/systemd/system/web@blue.service"}, "web@blue.service")) == "/usr/lib/systemd/system/web@blue.service");
  CHECK(joined(files_of_unit({"/run/systemd/transient/web.service", "/etc/systemd/system/web.service"}, "web.service")) == "/run/systemd/transient/web.service");
  CHECK(joined(files_of_unit({"/etc/systemd/system/web.service.d/20-b.conf", "/usr/lib/systemd/system/web.service", "/run/systemd/system/web.service.d/10-a.conf", "/etc/systemd/system/service.d/99-all.conf",
                              "/etc/systemd/system/web.service.d/README"},
                             "web.service")) ==
        "/usr/lib/systemd/system/web.service /run/systemd/system/web.service.d/10-a.conf /etc/systemd/system/web.service.d/20-b.conf /etc/systemd/system/service.d/99-all.conf");
  // The same name: /etc hides /usr/lib, and the unit's own folder that of all services.
  CHECK(joined(files_of_unit({"/usr/lib/systemd/system/web.service.d/a.conf", "/etc/systemd/system/web.service.d/a.conf"}, "web.service")) == "/etc/systemd/system/web.service.d/a.conf");
  CHECK(joined(files_of_unit({"/etc/systemd/system/service.d/a.conf", "/usr/lib/systemd/system/web.service.d/a.conf"}, "web.service")) == "/usr/lib/systemd/system/web.service.d/a.conf");
  // A copy below another root, and a repository.
  CHECK(joined(files_of_unit({"bundle/etc/systemd/system/web.service", "deploy/web.service.d/x.conf"}, "web.service")) == "bundle/etc/systemd/system/web.service deploy/web.service.d/x.conf");
  CHECK(joined(files_of_unit({}, "web.service")) == "");
}

TEST_CASE("systemd's spans, sizes, limits and truths") {
  CHECK(systemd_seconds("5") == 5.0);
  CHECK(systemd_seconds("1min 30s") == 90.0);
  CHECK(systemd_seconds("2h5min") == 7500.0);
  CHECK(systemd_seconds("1.5s") == 1.5);
  CHECK(systemd_seconds("500ms") == 0.5);
  CHECK(std::isinf(*systemd_seconds("infinity")));
  CHECK_FALSE(systemd_seconds("soon"));
  CHECK_FALSE(systemd_seconds(""));
  CHECK_FALSE(systemd_seconds("5 parsecs"));
  CHECK(systemd_bytes("512M") == 536870912u);
  CHECK(systemd_bytes("1.5G") == 1610612736u);
  CHECK(systemd_bytes("65536") == 65536u);
  CHECK(systemd_bytes("infinity") == UINT64_MAX);
  CHECK_FALSE(systemd_bytes("50%"));
  CHECK_FALSE(systemd_bytes("much"));
  CHECK_FALSE(systemd_bytes("99999999999E"));
  CHECK(systemd_limit("1024:524288") == 1024u);
  CHECK(systemd_limit("65536") == 65536u);
  CHECK(systemd_limit("infinity") == UINT64_MAX);
  CHECK_FALSE(systemd_limit("-1"));
  CHECK(systemd_truth("yes") == true);
  CHECK(systemd_truth("0") == false);
  CHECK_FALSE(systemd_truth("disconnected"));
}

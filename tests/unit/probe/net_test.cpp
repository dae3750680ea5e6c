#include "probe/net_table.hpp"
#include "probe/sock_diag.hpp"
#include "support/catch.hpp"

TEST_CASE("the text tables name a socket's ends by its inode") {
  probe::NetTable table;
  probe::read_tcp(
      "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
      "   0: 0100007F:1F40 00000000:0000 0A 00000000:00000003 00:00000000 00000000     0        0 31337 1 0 100 0 0 10 0\n"
      "   1: 0100007F:A5B0 0100007F:1538 01 00000000:0000001C 00:00000000 00000000     0        0 31338 1 0 20 4 30 10 -1\n"
      "   2: 0100007F:A5B0 0100007F:1538 06 00000000:00000000 03:000003E8 00000000     0        0 0 3 0\n"
      "   x: nonsense\n",
      false, false, table);
  REQUIRE(table.size() == 2);
  CHECK(table[31337].listening);
  CHECK(table[31337].local == "127.0.0.1:8000");
  CHECK(table[31337].unread == 0);
  CHECK(table[31338].connected);
  CHECK(table[31338].peer == "127.0.0.1:5432");
  CHECK(table[31338].unread == 28);
  probe::read_tcp("   0: 00000000000000000000000001000000:1F40 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 7 1\n", true, false, table);
  CHECK(table[7].local == "[::1]:8000");
  probe::read_unix(
      "Num       RefCount Protocol Flags    Type St Inode Path\n"
      "0000000000000000: 00000002 00000000 00010000 0001 01 41 /run/a b.sock\n"
      "0000000000000000: 00000003 00000000 00000000 0001 03 42\n"
      "0000000000000000: 00000003 00000000 00000000 0002 01 43 @/tmp/dbus\n",
      table);
  CHECK(table[41].listening);
  CHECK(table[41].local == "/run/a b.sock");
  CHECK(table[42].connected);
  CHECK_FALSE(table[43].stream);
  CHECK(probe::socket_inode("socket:[31337]") == 31337u);
  CHECK_FALSE(probe::socket_inode("/tmp/socket:[x]").has_value());
  CHECK(probe::service_at("10.0.0.2:5432") == "PostgreSQL");
  CHECK(probe::service_at("/var/run/postgresql/.s.PGSQL.5432") == "PostgreSQL");
  CHECK(probe::service_at("10.0.0.2:9999").empty());
}

TEST_CASE("a wildcard listener takes what is dialled at its port") {
  const auto bound = [](std::string address, bool only_v6 = false) { return probe::Listening{std::move(address), 1, 0, 0, 0, 0, only_v6}; };
  CHECK(probe::takes(bound("127.0.0.1:80"), "127.0.0.1:80"));
  CHECK(probe::takes(bound("0.0.0.0:80"), "127.0.0.1:80"));
  CHECK_FALSE(probe::takes(bound("0.0.0.0:80"), "[::1]:80"));
  CHECK_FALSE(probe::takes(bound("0.0.0.0:81"), "127.0.0.1:80"));
  CHECK(probe::takes(bound("[::]:80"), "127.0.0.1:80"));
  CHECK_FALSE(probe::takes(bound("[::]:80", true), "127.0.0.1:80"));
  CHECK_FALSE(probe::takes(bound("unix:/run/a"), "unix:/run/b"));
}

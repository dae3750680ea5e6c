#include "probe/namespaces.hpp"

#include "machine.hpp"
#include "support/catch.hpp"

namespace {

Machine with_spaces() {
  Machine machine;
  for (const auto& [pid, space] : {std::pair{10, "net:[4026531840]"}, {11, "net:[4026531840]"}, {12, "net:[4026532208]"}}) machine.files["proc/" + std::to_string(pid) + "/ns/net.link"] = std::string(space) + "\n";
  machine.files["proc/self/ns/pid.link"] = "pid:[4026531836]\n";
  machine.files["proc/self/mountinfo"] = "22 1 8:1 / / rw - ext4 /dev/a rw\n";
  machine.stat("/proc/1/net/unix", 4026531916, 0444, 0, 0);
  return machine;
}

}  // namespace

TEST_CASE("network namespaces are counted once, with who lives in them") {
  const auto machine = with_spaces();
  const auto spaces = probe::net_spaces(*machine.host(), {10, 11, 12, 13});
  CHECK(spaces.pids == std::map<std::uint64_t, std::vector<int>>{{4026531840, {10, 11}}, {4026532208, {12}}});
  CHECK(spaces.unseen == 0);
}

TEST_CASE("a namespace without a process, a container's view and hidden processes are unseen") {
  auto machine = with_spaces();
  machine.files["proc/self/mountinfo"] = "300 22 0:4 net:[4026532300] /run/netns/blue rw - nsfs nsfs rw\n301 22 0:4 net:[4026532208] /run/netns/red rw - nsfs nsfs rw\n";
  auto spaces = probe::net_spaces(*machine.host(), {10, 12});
  CHECK(spaces.unseen == 1);
  CHECK(spaces.why == "no process lives in the one at /run/netns/blue");

  machine = with_spaces();
  machine.files["proc/self/ns/pid.link"] = "pid:[4026532500]\n";
  spaces = probe::net_spaces(*machine.host(), {10});
  CHECK(spaces.unseen == 1);
  CHECK(spaces.why == "this is a pid namespace: processes outside of it are not seen");

  machine = with_spaces();
  machine.files["stats.ndjson"].clear();
  spaces = probe::net_spaces(*machine.host(), {10});
  CHECK(spaces.unseen == 1);
  CHECK(spaces.why == "processes of other users are hidden");
}

TEST_CASE("processes over the bound are counted") {
  auto machine = with_spaces();
  for (int pid = 20; pid < 30; ++pid) machine.process(pid, 1, {"/bin/x"}, Machine::starting);
  std::size_t left_out = 0;
  CHECK(probe::everybody(*machine.host(), 4, left_out).size() == 4);
  CHECK(left_out > 5);
}

TEST_CASE("only plain file systems number files as the kernel's list of sockets does") {
  auto machine = with_spaces();
  machine.files["proc/7/mountinfo"] = "1 0 0:1 / / rw - overlay overlay rw\n2 1 0:2 / /run rw - tmpfs tmpfs rw\n3 2 0:3 / /run/data rw - btrfs /dev/b rw\n";
  const auto host = machine.host();
  CHECK(probe::plain_files(*host, 7, "/run/app.sock"));
  CHECK_FALSE(probe::plain_files(*host, 7, "/running/app.sock"));
  CHECK_FALSE(probe::plain_files(*host, 7, "/run/data/app.sock"));
  CHECK_FALSE(probe::plain_files(*host, 8, "/run/app.sock"));
}

#include "probe/permission.hpp"

#include "support/catch.hpp"

using probe::decide;
using probe::Need;

namespace {

source::Stat file(std::uint32_t mode, std::uint32_t uid = 0, std::uint32_t gid = 0) {
  source::Stat stat;
  stat.mode = mode;
  stat.uid = uid;
  stat.gid = gid;
  return stat;
}

const probe::Identity www{33, 33, {44}, false, false};

}  // namespace

TEST_CASE("who walks stands in the status: the ids for files, the groups, two capabilities") {
  const auto who = probe::read_identity("Name:\tnginx\nUid:\t0\t33\t33\t34\nGid:\t0\t33\t33\t35\nGroups:\t4 33 1000 \nCapEff:\t0000000000000006\n");
  CHECK(who.uid == 34);
  CHECK(who.gid == 35);
  CHECK(who.groups == std::vector<std::uint32_t>{4, 33, 1000});
  CHECK(who.overrides);
  CHECK(who.searches);
  CHECK_FALSE(probe::read_identity("CapEff:\t0000000000000000\n").overrides);
}

TEST_CASE("the owner's bits decide for the owner, even where others may more") {
  CHECK_FALSE(decide(www, file(0077, 33, 0), {}, Need::search).granted);
  CHECK(decide(www, file(0077, 33, 0), {}, Need::search).as == "owner");
  CHECK(decide(www, file(0710, 0, 33), {}, Need::search).granted);
  CHECK(decide(www, file(0710, 0, 44), {}, Need::search).as == "group");
  CHECK_FALSE(decide(www, file(0707, 0, 44), {}, Need::search).granted);
  CHECK(decide(www, file(0701), {}, Need::search).granted);
  CHECK_FALSE(decide(www, file(0755), {}, Need::write).granted);
  CHECK(decide(www, file(0777), {}, Need::write).granted);
}

TEST_CASE("a capability passes where no bit does") {
  CHECK(decide({0, 0, {}, true, true}, file(0, 1000, 1000), {}, Need::write).granted);
  CHECK(decide({33, 33, {}, false, true}, file(0, 1000, 1000), {}, Need::search).granted);
  CHECK_FALSE(decide({33, 33, {}, false, true}, file(0, 1000, 1000), {}, Need::write).granted);
}

TEST_CASE("an ACL decides before the group bits, which are its mask then") {
  //                                user::rwx         user:33:--x       group::---        mask::--x         other::---
  const std::string bytes = std::string("\2\0\0\0", 4) + std::string("\1\0\7\0\xff\xff\xff\xff", 8) + std::string("\2\0\1\0\x21\0\0\0", 8) + std::string("\4\0\0\0\xff\xff\xff\xff", 8) +
                            std::string("\x10\0\1\0\xff\xff\xff\xff", 8) + std::string("\x20\0\0\0\xff\xff\xff\xff", 8);
  const auto acl = probe::read_acl(bytes);
  REQUIRE(acl.size() == 5);
  CHECK(acl[1].id == 33);
  CHECK(decide(www, file(0710), acl, Need::search).granted);
  CHECK(decide(www, file(0710), acl, Need::search).by_acl);
  CHECK_FALSE(decide({34, 34, {}, false, false}, file(0710), acl, Need::search).granted);
  CHECK_FALSE(decide(www, file(0700), acl, Need::search).granted);  // an empty mask: the list is not even read
  // Named with nothing, while others may all.
  CHECK_FALSE(decide(www, file(0777), {{0x02, 0, 33}, {0x10, 7, 0}}, Need::search).granted);
  // The mask takes from a named user what his entry gives.
  CHECK_FALSE(decide(www, file(0747), {{0x02, 7, 33}, {0x10, 4, 0}}, Need::search).granted);
  // One of two groups grants.
  CHECK(decide(www, file(0770, 0, 9), {{0x08, 0, 33}, {0x08, 1, 44}, {0x10, 7, 0}}, Need::search).granted);
  CHECK(probe::read_acl("").empty());
  CHECK(probe::read_acl("\3").empty());
  CHECK(probe::read_acl(bytes.substr(0, 13)).empty());
}

// Users and groups by name or number from /etc/passwd and /etc/group: a static program has no NSS.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "prefork/heartbeat.hpp"

namespace prefork {

/// Pure: of the files' texts. Empty names stay -1.
base::Result<Owner> owner_of(std::string_view user, std::string_view group, std::string_view passwd, std::string_view groups);
/// Of this machine's files.
base::Result<Owner> owner_of(std::string_view user, std::string_view group);
/// The groups that list `user` (initgroups).
std::vector<int> other_groups(std::string_view user, std::string_view groups);
/// Becomes that owner for good: groups, then gid, then uid.
base::Result<> become(const Owner& owner, const std::vector<int>& others);
std::string group_file();

}  // namespace prefork

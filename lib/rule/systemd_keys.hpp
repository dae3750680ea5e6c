// The keys of [Unit], [Service], [Socket] and [Install]: what systemd itself reads.
#pragma once

#include <span>
#include <string_view>

namespace rule {

std::span<const std::string_view> systemd_keys();

}  // namespace rule

// triage doctor: what can be seen here, what cannot, which capability, setting or mount refuses, and how to let me.
#pragma once

#include <string>

namespace triage {

struct DoctorOptions { std::string format = "text"; };   // text or json

/// Prints to standard output; 0, whatever is refused.
int doctor(const DoctorOptions& options);

}  // namespace triage

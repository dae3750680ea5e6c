// The pure half of requests_bpf.hpp: rows to facts.
#include <algorithm>

#include "base/text.hpp"
#include "probe/calls.hpp"
#include "probe/lead.hpp"
#include "probe/request_head.hpp"
#include "probe/requests_bpf.hpp"
#include "probe/system_calls.hpp"

namespace probe {

using namespace evidence;

namespace {

constexpr std::size_t most_told = 32;

TimeBlocked blocked_of(const request_wait& wait, unsigned tid, bool ended) {
  TimeBlocked blocked;
  blocked.call = name_of_call(wait.call);
  blocked.tid = static_cast<int>(tid);
  if (wait.fd != REQUEST_NONE) {
    blocked.fd = static_cast<int>(wait.fd);
    blocked.on = lead_text(wait.lead);
  }
  blocked.count = wait.count;
  blocked.seconds = static_cast<double>(wait.ns) / 1e9;
  blocked.ended = ended;
  return blocked;
}

std::string wait_text(const TimeBlocked& blocked) {
  std::string text = (blocked.ended ? "waited " : "waiting for ") + base::duration_text(static_cast<std::int64_t>(blocked.seconds * 1e9)) + " in " + blocked.call;
  if (!blocked.on.empty()) text += " on " + blocked.on;
  if (blocked.count > 1) text += ", " + base::counted(blocked.count, "time");
  return text;
}

/// Is its answer still being written: a response of several pieces to a slow client?
bool writes_it(const ServedConnection& one) {
  const SystemCall* const call = one.thread.now.count ? system_call(one.thread.now.call) : nullptr;
  return call && one.thread.now.fd == one.fd && (call->name == "sendto" || call->name == "write" || call->name == "sendmsg" || call->name == "writev" || call->name == "sendfile");
}

/// The thread waits for the first bytes of a connection that it has accepted.
bool waits_for_it(const ServedConnection& one) { return one.thread.now.count && one.thread.now.fd == one.fd; }

}  // namespace

std::vector<Fact> facts_of(int pid, std::vector<ServedConnection> connections, std::int64_t at_ns, std::int64_t wall_minus_boot) {
  std::erase_if(connections, [](const ServedConnection& one) { return one.row.state == request_none ? !waits_for_it(one) : one.row.state == request_answered && !writes_it(one); });
  // Requests before connections without one, the longest last.
  std::stable_sort(connections.begin(), connections.end(), [](const ServedConnection& a, const ServedConnection& b) {
    if ((a.row.state == request_none) != (b.row.state == request_none)) return a.row.state == request_none;
    return a.row.since > b.row.since;
  });
  if (connections.size() > most_told) connections.erase(connections.begin(), connections.end() - most_told);
  std::vector<Fact> facts;
  Fact form;
  form.about = {pid, PidSpace::host, {}};
  form.when = base::Instant{base::Clock::wall, at_ns + wall_minus_boot, 1'000'000};
  for (const ServedConnection& one : connections) {
    RequestServed served;
    const RequestHead head = read_request_head({reinterpret_cast<const char*>(one.row.bytes), std::min<std::size_t>(one.row.size, sizeof(one.row.bytes))});
    served.line = one.row.state == request_none ? "no request yet (an idle connection)" : head.line.empty() ? "a request that is not plain HTTP" : head.line;
    served.headers = head.headers;
    served.peer = lead_text(one.row.peer);
    served.tid = static_cast<int>(one.row.tid);
    served.fd = static_cast<int>(one.fd);
    const std::int64_t end = one.row.until ? static_cast<std::int64_t>(one.row.until) : at_ns;
    served.seconds = std::max(0.0, static_cast<double>(end - static_cast<std::int64_t>(one.row.since)) / 1e9);
    Fact fact = form;
    fact.text = served.line + (served.headers.empty() ? "" : ", " + served.headers) + ", for " + base::duration_text(static_cast<std::int64_t>(served.seconds * 1e9));
    fact.what = std::move(served);
    facts.push_back(std::move(fact));
    const auto add = [&](const request_wait& wait, bool ended) {
      if (!wait.count || wait.ns < 1'000'000) return;
      TimeBlocked blocked = blocked_of(wait, one.row.tid, ended);
      Fact waits = form;
      waits.text = wait_text(blocked);
      waits.what = std::move(blocked);
      facts.push_back(std::move(waits));
    };
    if (one.thread.since == 0 && one.row.state != request_none) continue;
    if (one.row.state != request_none)
      for (request_wait wait : one.thread.waits) {
        if (one.thread.now.count && wait.count && wait.call == one.thread.now.call && wait.fd == one.thread.now.fd) {   // the last one is told by itself
          wait.ns -= std::min(wait.ns, one.thread.now.ns);
          --wait.count;
        }
        add(wait, true);
      }
    add(one.thread.now, false);
  }
  return facts;
}

}  // namespace probe

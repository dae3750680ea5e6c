#include "model/phases.hpp"

#include <algorithm>
#include <cmath>

namespace model {

namespace {

// What the kernel takes of a body that nobody reads: send and receive buffers grow to 4 MiB and 6 MiB (tcp_wmem, tcp_rmem), and hold at least
// the 16 KiB and 128 KiB that they start with.
constexpr double surely_buffered = 128 * 1024, never_buffered = 10.5 * 1024 * 1024;
// A server that is told to stop goes on to look at its workers a few times a second; what it cuts comes this much later at most.
constexpr double stop_give = 0.6;
// A worker of gthread takes requests for up to a poll of its loop after SIGTERM (measured on 20.1.0; 26.1.0 does not).
constexpr double gthread_poll = 1.0;
// Workers that die with their master look for it once a second or have a pipe from it.
constexpr double orphan_poll = 1.0;

double read_limit(const Chain& chain) { return chain.proxy.present && chain.proxy.read.known ? chain.proxy.read.seconds : no_limit; }
bool repeated_by(const ProxyLimits& proxy, const std::string& method) {
  const bool safe = method != "POST" && method != "LOCK" && method != "PATCH";
  return proxy.retries_error && (safe || proxy.retries_non_idempotent);
}

Ending killed_at(const ServerLimits& server, double from) {
  Ending end;
  end.from = from + std::max(0.0, server.worker.seconds - server.law.early);
  end.to = from + server.worker.seconds + server.law.late;
  end.killed = 1;
  return end;
}
bool limits_request(const ServerLimits& server) { return server.known && server.law.measures == flavour::Measures::request; }

}  // namespace

std::vector<Ending> streamed(const Chain& chain, const Request& request, const Stream& stream) {
  std::vector<Ending> all;
  const double read = read_limit(chain), whole = request.queued + stream.header + stream.lasts;
  double cut = no_limit;
  if (stream.gap > read) {  // counted anew at every read, so the first long pause ends it
    Ending end;
    end.whole = false;
    end.from = request.queued + stream.header + read;
    end.to = std::max(end.from, whole - stream.gap + read);
    end.seen = Ending::Seen::by_client;
    end.why = "a pause longer than the proxy's read timeout; the header is out, there is no 504 any more";
    cut = end.to;
    all.push_back(end);
  }
  if (!chain.proxy.read.known && chain.proxy.present) {
    Ending end;
    end.known = end.whole = false;
    end.seen = Ending::Seen::by_client;
    end.from = request.queued + stream.header;
    end.to = whole;
    end.why = "the proxy's read timeout is not known";
    all.push_back(end);
  }
  if (limits_request(chain.server) && !chain.server.worker.known) {
    Ending end;
    end.known = end.whole = false;
    end.killed = 1;
    end.from = request.queued + stream.header;
    end.to = whole;
    end.why = "the worker's timeout is not known";
    all.push_back(end);
  }
  Ending kill = limits_request(chain.server) && chain.server.worker.known ? killed_at(chain.server, request.queued) : Ending{};
  if (kill.killed && kill.from < whole && kill.from < cut && kill.to > request.queued + stream.header) {
    kill.whole = false;
    kill.from = std::max(kill.from, request.queued + stream.header);
    kill.to = std::min(kill.to, whole);
    const bool may_500 = chain.server.law.answers_500 || chain.server.law.may_answer_500;
    if (stream.framing == Stream::Framing::length) {
      kill.seen = may_500 ? Ending::Seen::corrupt : Ending::Seen::by_client;
      kill.why = may_500 ? "the text of a 500 fills up the length that was promised" : "the connection ends before its length";
    } else if (chain.proxy.present && chain.proxy.version_known && !chain.proxy.version_1_1) {
      kill.seen = Ending::Seen::by_nobody;
      kill.why = "the proxy speaks HTTP/1.0 to the server and takes the end of the connection for the end of the answer";
    } else {
      kill.seen = Ending::Seen::by_client;
      kill.known = chain.proxy.version_known;
      kill.why = "the last chunk is missing";
    }
    all.push_back(kill);
  }
  const bool surely_cut = std::any_of(all.begin(), all.end(), [&](const Ending& one) { return one.known && one.to <= whole && (one.killed == 0 || kill.to < whole); }) || (kill.killed && !kill.whole && whole >= request.queued + chain.server.worker.seconds + chain.server.law.late);
  if (!surely_cut) {
    Ending end;
    end.from = end.to = whole;
    all.insert(all.begin(), end);
  }
  return all;
}

std::vector<Ending> uploaded(const Chain& chain, const Request& request, const Upload& upload) {
  std::vector<Ending> all;
  const ProxyLimits& proxy = chain.proxy;
  const bool buffered = proxy.present && proxy.buffers_request;
  if (proxy.present && proxy.client_body.known && upload.gap > proxy.client_body.seconds) {
    Ending end;
    end.status = 0;
    end.whole = false;
    end.runs = !buffered;
    end.from = proxy.client_body.seconds;
    end.to = std::max(end.from, upload.lasts - upload.gap + proxy.client_body.seconds);
    end.why = "a pause longer than client_body_timeout: 408 in the access log, the client gets nothing";
    all.push_back(end);
    return all;
  }
  if (buffered && upload.busy > 0 && proxy.send.known && upload.busy > proxy.send.seconds && upload.bytes > surely_buffered) {
    Ending end;
    end.status = 504;
    end.whole = end.runs = false;
    end.known = upload.bytes > never_buffered;
    end.from = upload.lasts + proxy.send.seconds;
    end.to = end.from + 0.5;
    end.why = "nobody reads the body and the kernel's buffers are full: proxy_send_timeout";
    all.push_back(end);
    if (end.known) return all;
  }
  // Unbuffered, the worker waits for the client: its timeout counts the upload.
  const double start = buffered ? upload.lasts + upload.busy : 0;
  const double length = buffered ? upload.work : std::max(upload.lasts, upload.busy) + upload.work;
  Chain rest = chain;
  Request asked = request;
  asked.queued = buffered ? upload.busy : 0;
  if (!buffered) rest.proxy.read.seconds = no_limit;  // it counts from the end of what is sent
  for (const Outcome& one : outcomes_at(rest, asked, buffered ? upload.work : length)) {
    Ending end;
    end.status = one.status;
    end.whole = one.status == 200;
    end.killed = one.killed;
    end.from = one.finished ? start + length : (buffered ? upload.lasts : 0) + one.from;
    end.to = one.finished ? start + length : (buffered ? upload.lasts : 0) + one.to;
    // A client that sends first and reads then sees the answer only when it has sent everything.
    if (!buffered && !one.finished) end.to = std::max(end.to, upload.lasts);
    end.why = one.finished ? "" : one.gave_up == "worker" ? "the worker timeout" + std::string(buffered ? "" : ", which counts the slow upload") : one.gave_up + " gave up";
    all.push_back(end);
  }
  return all;
}

std::vector<Ending> raced(const Chain& chain, const Request& request) {
  const Limit &proxy = chain.proxy.idle, &server = chain.server.idle;
  if (!chain.proxy.present || !chain.server.known) return {};
  if ((proxy.known && proxy.seconds == 0) || (server.known && server.seconds == 0)) return {};  // nothing is kept
  if (proxy.known && server.known && proxy.seconds < server.seconds) return {};                // the proxy closes first
  Ending end;
  end.known = proxy.known && server.known && chain.proxy.retries_known;
  // A cached connection grants one more try, even with a single peer.
  const bool again = repeated_by(chain.proxy, request.method);
  end.status = again ? 200 : 502;
  end.whole = again;
  end.runs = again;
  end.why = again ? "asked once more over a new connection" : "not asked again: " + request.method + (chain.proxy.retries_error ? " is not repeated" : " and proxy_next_upstream off");
  return {end};
}

BurstOutcome burst(const Chain& chain, const Burst& asked) {
  BurstOutcome out;
  if (chain.server.workers <= 0 || chain.server.backlog <= 0 || (chain.proxy.present && !chain.proxy.read.known)) { out.known = false; return out; }
  const auto workers = static_cast<std::size_t>(chain.server.workers), backlog = static_cast<std::size_t>(chain.server.backlog);
  const std::size_t room = workers + backlog + 1;  // listen(n) holds n + 1
  const std::size_t in = std::min(asked.at_once, room);
  const double read = read_limit(chain);
  // The workers take them in rounds of `work` seconds; those of a round that ends before the proxy's limit are served.
  const double rounds = asked.work <= 0 || read == no_limit ? no_limit : std::max(0.0, std::ceil(read / asked.work) - 1);
  out.served = rounds >= static_cast<double>(in) ? in : std::min(in, static_cast<std::size_t>(rounds) * workers);
  out.late = in - out.served;
  const std::size_t last_round = out.served == 0 ? 0 : (out.served - 1) / workers + 1;
  out.last = static_cast<double>(last_round) * asked.work;
  out.refused = asked.at_once - in;
  if (out.refused == 0) return out;
  Ending end;
  end.whole = end.runs = false;
  if (chain.server.unix_socket) {
    end.status = 502;
    end.why = "a full unix socket refuses at once (11: Resource temporarily unavailable)";
    out.beyond.push_back(end);
    return out;
  }
  const double connect = chain.proxy.present ? chain.proxy.connect.seconds : no_limit;
  if (chain.proxy.present && !chain.proxy.connect.known) { end.known = false; end.status = 504; end.why = "the proxy's connect timeout is not known"; out.beyond.push_back(end); return out; }
  if (connect >= kernel_connect_from) {
    end.status = 502;
    end.from = kernel_connect_from;
    end.to = kernel_connect_to;
    end.known = connect > kernel_connect_to;
    end.why = "the kernel gives the connect up before the proxy does";
    out.beyond.push_back(end);
  }
  if (connect <= kernel_connect_to) {
    end.status = 504;
    end.from = end.to = connect;
    end.known = asked.work >= connect || connect > kernel_connect_from;
    end.why = "the SYN is dropped: the connect timeout";
    out.beyond.push_back(end);
  }
  if (asked.work < connect) {  // room comes before it gives up, and a repeated SYN may meet it
    Ending later;
    later.from = asked.work * 2;
    later.to = no_limit;
    later.known = false;
    later.why = "a repeated SYN meets a free place";
    out.beyond.push_back(later);
  }
  return out;
}

Survives survives_stop(const Chain& chain) {
  Survives out;
  const StopLimits& stop = chain.stop;
  if (stop.kills == StopLimits::Kills::none && stop.sent.empty()) { out.by = "nobody"; return out; }  // nothing is sent at all
  if (!stop.known || stop.signal == StopLimits::Signal::unknown) { out.known = false; return out; }
  if (stop.signal != StopLimits::Signal::graceful) { out.seconds = 0; out.by = "signal"; return out; }
  if (!chain.server.graceful.known || !stop.kill.known) { out.known = false; return out; }
  const double kill = stop.kill.seconds - stop.before;
  out.seconds = std::max(0.0, std::min(chain.server.graceful.seconds, kill));
  out.by = out.seconds == no_limit ? "" : chain.server.graceful.seconds <= kill ? "graceful" : "kill";
  if (out.by == "kill" && stop.kills == StopLimits::Kills::main) {  // the master alone, and nobody is left to end its workers
    if (chain.server.orphans == Orphans::unknown) out.known = false;
    if (chain.server.orphans == Orphans::finish) { out.seconds = no_limit; out.by = "orphans"; }
  }
  return out;
}

std::vector<Ending> stopped(const Chain& chain, const Stopping& stopping, double left) {
  std::vector<Ending> all;
  const StopLimits& stop = chain.stop;
  const auto add = [&](int status, double from, double to, bool known, std::string why) {
    Ending end;
    end.status = status;
    end.whole = status == 200;
    end.from = from;
    end.to = to;
    end.known = known;
    end.why = std::move(why);
    all.push_back(std::move(end));
  };
  const double told = stop.before;
  if (stopping.fresh) {
    // Connections that come while it stops wait in the queue of a socket that a worker still has open, and are reset when that goes.
    const double gone = told + std::min({left, chain.server.graceful.seconds, std::max(0.0, stop.kill.seconds - stop.before)});
    if (stop.held_socket) { add(200, 0, no_limit, true, "it waits in the socket that is held for the next start"); return all; }
    const bool takes = stopping.worker_class == "gthread" && (stopping.family == "20.0" || stopping.family == "20.1" || stopping.family == "21");
    if (takes) add(200, 0, gthread_poll, true, "a thread still takes it");
    if (!takes || left > gthread_poll) add(502, told, gone + stop_give, !takes, "reset when the last worker goes");
    return all;
  }
  if (stop.kills == StopLimits::Kills::none && stop.sent.empty()) { add(200, left, left, true, "nothing is signalled: the server stays"); return all; }
  if (!stop.known || stop.signal == StopLimits::Signal::unknown) {
    add(200, left, left, false, "what stops it is not known");
    add(502, 0, left, false, "what stops it is not known");
    return all;
  }
  if (left <= told) { add(200, left, left, true, "it ends before the signal"); return all; }
  if (stop.signal == StopLimits::Signal::at_once) {
    const bool answers = chain.server.law.answers_500, may = chain.server.law.may_answer_500;
    if (answers || may) add(500, told, told + stop_give, answers, "the signal ends workers at once");
    if (!answers) add(502, told, told + stop_give, !may, "the signal ends workers at once");
    return all;
  }
  if (stop.signal == StopLimits::Signal::reload) { add(502, told, told + stop_give, true, "this server takes the signal for a reload: the request is cut and the server stays until it is killed"); return all; }
  const Survives most = survives_stop(chain);
  if (!most.known) {
    add(200, left, left, false, "a limit of the stop is not known");
    add(502, told, left, false, "a limit of the stop is not known");
    return all;
  }
  const double rest = left - told;
  if (rest <= most.seconds + stop_give && rest >= most.seconds) add(200, left, left, false, "");
  if (rest < most.seconds) { add(200, left, left, true, most.by == "orphans" && rest >= stop.kill.seconds - told ? "its worker has lost its master and ends after it" : ""); return all; }
  add(502, told + most.seconds, told + most.seconds + stop_give + (most.by == "kill" && stop.kills == StopLimits::Kills::main ? orphan_poll : 0), true, most.by == "kill" ? "the supervisor kills it" : "graceful_timeout is over");
  return all;
}

std::vector<Ending> reloaded(const Chain& chain, double left) {
  std::vector<Ending> all;
  Ending end;
  end.from = end.to = left;
  end.why = "";
  // The worker's own limit on requests goes on as well, and counts from the request's start: what is left of it is less.
  Ending kill;
  double limit = no_limit;
  if (limits_request(chain.server) && chain.server.worker.known) {
    kill = killed_at(chain.server, 0);
    kill.why = "the worker timeout";
    limit = chain.server.worker.seconds;
  }
  if (chain.server.reload.known && chain.server.reload.seconds < limit) {
    limit = chain.server.reload.seconds;
    kill = {};
    kill.killed = 1;
    kill.from = limit;
    kill.to = limit + std::max(stop_give, chain.server.reload_late);
    kill.why = "the limit of a reload";
  }
  if (left < limit) { end.known = chain.server.reload.known; all.push_back(end); return all; }
  if (left <= kill.to) all.push_back(end);
  kill.whole = false;
  kill.known = !chain.server.law.may_answer_500;
  if (chain.server.law.answers_500 || chain.server.law.may_answer_500) { kill.status = 500; all.push_back(kill); }
  if (!chain.server.law.answers_500) { kill.status = 502; all.push_back(kill); }
  return all;
}

}  // namespace model

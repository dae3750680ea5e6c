// The clients of a run: bounded, without threads; every request and what came of it is an event.
#pragma once

#include <poll.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <map>
#include <string>
#include <vector>

#include "base/owner.hpp"
#include "reproduce/record.hpp"
#include "reproduce/scale.hpp"
#include "reproduce/scenario.hpp"

namespace reproduce {

/// Where a server listens: a port on loopback (or at `host`, in the host's order), or a unix socket.
struct Address { int port = 0; std::string path; std::uint32_t host = 0x7f000001; };

/// What a client can see of a request: "200" (any status), "cut" (an answer that ends early), "closed" and "reset" (none came), "refused", "denied",
/// "missing" (no such socket), "full" (the socket's queue is), "gave-up" (our patience was over), "held" (idle: still open at the end).
class Clients {
 public:
  using Tell = std::function<void(Event)>;
  /// `dial`: opens a socket of the family in the run's network.
  Clients(const Load& load, const Scale& scale, std::string path, Address to, std::function<base::Fd(int family)> dial, Tell tell);

  void begin(double now);
  bool begun() const { return begun_; }
  bool over() const { return begun_ && over_; }
  /// Begins what is due, gives up what took too long. `now`: seconds since second 0.
  void tick(double now);
  /// The descriptors to wait for; the answer goes to ready().
  void wanted(std::vector<pollfd>& into) const;
  void ready(const pollfd& fd, double now);
  /// The next moment at which tick() has something to do.
  double next(double now) const;
  /// The run is over: whatever is still open is told.
  void end(double now);

 private:
  struct Call {
    base::Fd fd;
    enum class State { connecting, sending, reading, resting } state = State::connecting;
    int number = 0, left_retries = 0, reused = 0, user = 0;
    double began = 0, connected = 0, last = 0, wake = 0;
    std::string out;               // what is still to be sent now
    std::uint64_t body_left = 0;
    int pieces_left = 0;
    std::string in;
    std::size_t body_at = 0;
    bool closing = false;
  };
  bool may_begin() const;
  void dial(double now, int retries, int user);
  void ask(Call& call, double now);
  void send(Call& call, double now);
  void receive(Call& call, double now);
  void finish(Call& call, double now, const std::string& outcome);
  void connected(Call& call, double now);
  std::string request_text() const;

  const Load& load_;
  Scale scale_;
  std::string path_;
  Address to_;
  std::function<base::Fd(int)> dial_;
  Tell tell_;
  bool begun_ = false, over_ = false;
  double start_ = 0, due_ = 0;
  int asked_ = 0;
  std::vector<Call> calls_;
  struct Later { double at; int retries, user; };
  std::vector<Later> later_;       // retries, and users that pause
};

/// How an answer's framing ends: nullopt while more must come. `closed`: the connection is over.
struct Answer { int status = 0; bool whole = false, keep = false; };
std::optional<Answer> answer_of(std::string_view text, bool closed);

}  // namespace reproduce

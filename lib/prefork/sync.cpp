// The sync worker: one connection at a time, one request each; accept first and wait only when nobody is there (gunicorn's workers/sync.py run_for_one),
// which makes it the cheapest server there is per connection, and lets one silent client hold it.
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "prefork/clock.hpp"
#include "prefork/conversation.hpp"

namespace prefork {
namespace {

// True when one was there. The conversation is used again and again: its buffers are the worker's.
bool accept_one(Worker& worker, Conversation& talk, const Listener& listener) {
  if (!worker.may_accept()) return false;
  sockaddr_storage peer{};
  socklen_t size = sizeof peer;
  const int fd = ::accept4(listener.fd.get(), reinterpret_cast<sockaddr*>(&peer), &size, SOCK_CLOEXEC);
  if (fd >= 0) worker.accepted();
  if (fd < 0) {
    if (errno == EAGAIN || errno == EWOULDBLOCK) worker.slot.accept_again.fetch_add(1, std::memory_order_relaxed);
    if (errno == EMFILE || errno == ENFILE) ::poll(nullptr, 0, 50);  // the listener stays ready: without a pause this would spin
    return false;
  }
  worker.slot.connections.fetch_add(1, std::memory_order_relaxed);
  std::string address;
  int port = 0;
  peer_text(reinterpret_cast<const sockaddr&>(peer), address, port);
  talk.open(fd, std::move(address), port, listener.address.kind != Address::Kind::unix_path);
  talk.serve(false, true);
  talk.close();
  return true;
}

// What the kernel had completed when the stop came, and no more: under load new ones never end.
void drain(Worker& worker, Conversation& talk) {
  for (const Listener& listener : worker.listeners) {
    const double end = monotonic() + worker.settings.graceful_timeout / 2;
    for (std::uint32_t left = waiting_at(listener); left > 0 && monotonic() < end; --left) {
      worker.beat();
      if (!accept_one(worker, talk, listener)) break;
    }
  }
}

}  // namespace

void run_sync(Worker& worker) {
  Conversation talk(worker, true);
  const double own = worker.settings.timeout > 0 ? worker.settings.timeout / 2 : 0.5;
  const double wait = worker.manner.name.empty() ? std::min(own, 1.0) : own;
  std::vector<pollfd> ready;
  for (const Listener& listener : worker.listeners) ready.push_back({listener.fd.get(), POLLIN, 0});
  ready.push_back({signals::wake_fd(), POLLIN, 0});
  const bool looks_busy = worker.manner.watches_parent_busy;
  double looked = monotonic();
  while (!signals::stopping()) {
    worker.beat();
    bool any = false;
    // sync.py run_for_multiple: the heartbeat comes once a round and not once a connection.
    if (worker.listeners.size() == 1) any = accept_one(worker, talk, worker.listeners.front());
    else
      for (std::size_t i = 0; i < worker.listeners.size(); ++i)
        if (ready[i].revents & POLLIN) any = accept_one(worker, talk, worker.listeners[i]) || any;
    if (any && worker.listeners.size() == 1) {
      if (looks_busy && !worker.faults.is_on(Fault::orphan_under_load)) {
        if (const double now = monotonic(); now - looked > 0.1) {
          looked = now;
          worker.tend();
          if (worker.parent_is_gone()) return;
        }
      }
      continue;
    }
    if (worker.parent_is_gone()) return;
    worker.tend();
    worker.beat();
    // Who waits for another's lock looks again soon; who has it holds it while it waits for a connection, as uWSGI's thunder-lock.
    const bool mine = worker.may_accept();
    if (::poll(mine ? ready.data() : &ready.back(), mine ? ready.size() : 1, mine ? static_cast<int>(wait * 1000) : 5) > 0 && ready.back().revents) signals::drain_wake();
  }
  if (worker.settings.drain_backlog && !worker.faults.is_on(Fault::term_backlog_reset)) drain(worker, talk);
}

}  // namespace prefork

#include "prefork/board.hpp"

#include <sys/mman.h>

#include <new>

namespace prefork {
namespace {

void* shared(std::size_t size) {
  void* room = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return room == MAP_FAILED ? nullptr : room;
}

}  // namespace

Board* make_board() {
  void* room = shared(sizeof(Board));
  return room ? new (room) Board : nullptr;
}

AccessRoom* make_access_rooms() {
  static_assert(sizeof(AccessRoom) == access_bytes && std::atomic<std::uint32_t>::is_always_lock_free && std::atomic<double>::is_always_lock_free);
  return static_cast<AccessRoom*>(shared(sizeof(AccessRoom) * most_workers));  // zero pages are valid empty rooms
}

}  // namespace prefork

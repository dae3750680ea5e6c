// The readers of another process's memory, with an image of it that is damaged: bytes in threes say where it is changed and to what. What is read must
// end, stay within its bounds and hold text that is UTF-8 made of what was there. The same bytes go as tables to the decoders of line tables, as
// _Py_DebugOffsets, and as the line of a system call.
#include <cstdlib>
#include <string_view>

#include "probe/python/line_table.hpp"
#include "probe/python/walk.hpp"
#include "probe/thread_call.hpp"
#include "support/python_image.hpp"

namespace {

void walk(std::string_view changes) {
  static const probe::Interpreter python{"3.11.7", support::PythonImage::runtime, *probe::layout_of(11)};
  support::PythonImage image(python.layout);
  for (std::size_t i = 0; i + 2 < changes.size(); i += 3) {
    const std::size_t at = static_cast<unsigned char>(changes[i]) << 8 | static_cast<unsigned char>(changes[i + 1]);
    image.bytes[at % image.bytes.size()] = changes[i + 2];
  }
  const auto read = probe::read_python(image, python);
  if (read.threads.size() > probe::most_python_threads) std::abort();
  for (const auto& thread : read.threads) {
    if (thread.frames.size() > probe::most_python_frames || (thread.frames.size() < probe::most_python_frames && thread.beyond > 0)) std::abort();
    for (const auto& frame : thread.frames)
      if (frame.line < 0 || frame.file.size() > 4 * 4096 || frame.function.size() > 4 * 4096) std::abort();
  }
  if (changes.empty() && (read.threads.size() != 1 || read.threads[0].frames.size() != 2 || !read.doubt.empty())) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(bytes), size);
  walk(text);
  for (const int minor : {8, 9, 10, 11, 15})
    for (const int instr : {-1, 0, 2, 40, 1 << 20})
      if (const auto line = probe::line_at(minor, text, 7, instr); line && *line < 0) std::abort();
  for (const int minor : {12, 13, 14, 15, 16})
    if (const auto layout = probe::layout_from(minor, text); layout && (layout->frame_code >= 1 << 20 || layout->text_ascii >= 1 << 20)) std::abort();
  probe::read_call_line(text);
  return 0;
}

/// Where allocations come from: call stacks, counted.
///
/// Only if SLUICE_SITES names a file, since unwinding takes microseconds.
///
/// File: the address at which the program was loaded and the number of stacks that
/// found no place, then 4,096 entries of 16 numbers (64 bits, native order): hash
/// of the stack, times, bytes, and up to 13 return addresses, the innermost first.
#pragma once

#include <cstddef>

namespace sluice::counting {

void open_sites() noexcept;
/// Called by each allocation; cheap unless sites are wanted.
void note_site(std::size_t bytes) noexcept;

}  // namespace sluice::counting

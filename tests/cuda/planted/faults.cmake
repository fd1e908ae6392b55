# SPDX-License-Identifier: Apache-2.0
# Every planted fault is reported by each variant that can see it, in the words given here; their
# twins without the faults pass in all of them.
foreach(variant IN LISTS variants)
  add_test(NAME cuda.planted.${variant}.correct COMMAND cuda_planted_${variant} correct)
endforeach()

# convscale_planted(NAME VARIANT REGEX): VARIANT is empty if all see it.
function(convscale_planted name seen_by regex)
  foreach(variant IN LISTS variants)
    if(seen_by STREQUAL variant OR NOT seen_by)
      set(test cuda.planted.${variant}.${name})
      add_test(NAME ${test} COMMAND cuda_planted_${variant} ${name})
      set_tests_properties(${test} PROPERTIES PASS_REGULAR_EXPRESSION "${regex}")
    endif()
  endforeach()
endfunction()

set(at "[^\n]*planted/faults.cu:[0-9]+")
# Races: reported with both places.
set(race "data race.*missing_barrier<true>${at}.*missing_barrier<true>${at}")
convscale_planted(missing_barrier tsan "${race}")
string(REPLACE missing_barrier missing_warp_barrier race "${race}")
convscale_planted(missing_warp_barrier tsan "${race}")
convscale_planted(blocks_that_race tsan "data race.*add_one<true>${at}.*add_one<true>${at}")
convscale_planted(missing_event tsan "data race.*increment${at}.*Previous ")
convscale_planted(missing_wait tsan "data race.*planted/faults.cu")
convscale_planted(upload_under_way tsan "data race.*increment${at}")

# What threads in a shuffled order, work that is late, and memory full of NaN show.
foreach(name IN ITEMS missing_barrier missing_event missing_wait upload_under_way uninitialised)
  convscale_planted(${name} asan "${name}: wrong result")
endforeach()

# Memory.
convscale_planted(overrun asan "heap-buffer-overflow.* in [^\n]*overrun<true>${at}")
convscale_planted(shared_overrun asan "use-after-poison.*shared_overrun<true>${at}")
convscale_planted(misaligned_load asan "runtime error: [^\n]*misaligned address.*misaligned_load<true>${at}")

# What the stand-in finds by itself.
convscale_planted(barrier_in_a_branch ""
  "divergent barrier in kernel [^\n]*barrier_in_a_branch<true>${at}[^\n]*returned")
convscale_planted(shuffle_from_nobody ""
  "shuffle_from_nobody<true>${at}[^\n]*lane 16, which does not take part")
convscale_planted(freed_in_copy "" "cudaMemcpy: the source [^\n]* is not device memory")
convscale_planted(shared_without_asking "" "refused: [^\n]*invalid argument")

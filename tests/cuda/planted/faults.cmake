# SPDX-License-Identifier: Apache-2.0
# Every planted fault is reported by each variant that can see it, in the words given here; its twin
# without the fault passes in all of them.

# Sets `result` to a regular expression for the place in a report: the line of `file` in planted/
# that is marked "// planted: MARK".
function(convscale_planted_place result file mark)
  set(path ${CMAKE_CURRENT_SOURCE_DIR}/planted/${file})
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${path})
  file(READ ${path} text)
  string(FIND "${text}" "// planted: ${mark}\n" position)
  if(position EQUAL -1)
    message(FATAL_ERROR "${file}: nothing is marked '// planted: ${mark}'")
  endif()
  string(SUBSTRING "${text}" 0 ${position} before)
  string(REGEX REPLACE "[^\n]" "" newlines "${before}")
  string(LENGTH "${newlines}" line)
  math(EXPR line "${line} + 1")
  set(${result} "planted/${file}:${line}[^0-9]" PARENT_SCOPE)
endfunction()

# convscale_planted(NAME VARIANTS REGEX): the fault and its twin.
function(convscale_planted name seen_by regex)
  foreach(variant IN LISTS variants)
    set(test cuda.planted.${variant}.${name})
    add_test(NAME ${test}.correct COMMAND cuda_planted_${variant} ${name} correct)
    if(variant IN_LIST seen_by)
      add_test(NAME ${test}.faulty COMMAND cuda_planted_${variant} ${name} faulty)
      set_tests_properties(${test}.faulty PROPERTIES PASS_REGULAR_EXPRESSION "${regex}")
    endif()
  endforeach()
endfunction()

# The same fault, seen by another variant in other words.
function(convscale_planted_too name seen_by regex)
  foreach(variant IN LISTS variants)
    if(variant IN_LIST seen_by)
      set(test cuda.planted.${variant}.${name}.faulty)
      add_test(NAME ${test} COMMAND cuda_planted_${variant} ${name} faulty)
      set_tests_properties(${test} PROPERTIES PASS_REGULAR_EXPRESSION "${regex}")
    endif()
  endforeach()
endfunction()

# A race is reported with both its places, in either order.
function(convscale_planted_race result file first second)
  convscale_planted_place(one ${file} "${first}")
  convscale_planted_place(two ${file} "${second}")
  set(${result} "data race.*(${one}.*${two}|${two}.*${one})" PARENT_SCOPE)
endfunction()

# Missing barriers. Threads in a shuffled order show them, too, here.
convscale_planted_race(race barriers.cu "store" "load")
convscale_planted(missing_barrier "plain;asan" "wrong result")
convscale_planted_too(missing_barrier tsan "${race}")
convscale_planted_race(race barriers.cu "lane store" "lane load")
convscale_planted(missing_warp_barrier "plain;asan" "wrong result")
convscale_planted_too(missing_warp_barrier tsan "${race}")
convscale_planted_race(race barriers.cu "shuffled store" "shuffled load")
convscale_planted(shuffle_for_barrier tsan "${race}")
convscale_planted_race(race barriers.cu "store again" "load before")
convscale_planted(early_reuse "plain;asan" "wrong result")
convscale_planted_too(early_reuse tsan "${race}")

# Barriers that not all come to.
convscale_planted_place(half barriers.cu "half")
convscale_planted(barrier_in_a_branch "${variants}"
  "divergent barrier in kernel [^\n]*half_waits<true>, block \\(0, 0, 0\\): [^\n]*${half}[^\n]*returned")
convscale_planted_place(even barriers.cu "even")
convscale_planted_place(odd barriers.cu "odd")
convscale_planted(two_barriers "${variants}"
  "divergent barrier in kernel [^\n]*halves_wait<true>, block \\(0, 0, 0\\): [^\n]*${even}[^\n]*${odd}")
convscale_planted_place(shuffle barriers.cu "shuffle")
convscale_planted(shuffle_from_nobody "${variants}" "${shuffle}[^\n]*lane 16, which does not take part")

# Memory.
convscale_planted_place(place memory.cu "global overrun")
convscale_planted(global_overrun asan "heap-buffer-overflow.*${place}")
convscale_planted_place(place memory.cu "shared overrun")
convscale_planted(dynamic_shared_overrun asan "use-after-poison.*${place}")
convscale_planted_place(place memory.cu "array overrun")
convscale_planted(static_shared_overrun asan "${place}.*runtime error: index 64 out of bounds")
convscale_planted_place(place memory.cu "misaligned")
convscale_planted(misaligned_load asan "runtime error: [^\n]*misaligned address.*${place}")
convscale_planted(freed_in_kernel "asan;tsan" "heap-use-after-free.*planted/memory.cu")
convscale_planted(freed_in_copy "${variants}" "cudaMemcpy: the source [^\n]* is device memory that was freed")

# Order.
convscale_planted_place(increment order.cu "increment")
convscale_planted(missing_wait "plain;asan" "wrong result")
convscale_planted_too(missing_wait tsan "data race.*planted/order.cu")
convscale_planted(missing_event "plain;asan" "wrong result")
convscale_planted_too(missing_event tsan "data race.*${increment}.*${increment}")
convscale_planted(overwritten_source "plain;asan" "wrong result")
convscale_planted(upload_under_way "plain;asan" "wrong result")
convscale_planted_too(upload_under_way tsan "data race.*planted/order.cu")
convscale_planted_place(place order.cu "overwrite")
convscale_planted_too(overwritten_source tsan "data race.*${place}")
convscale_planted_place(sum order.cu "sum")
convscale_planted(blocks_that_race tsan "data race.*${sum}.*${sum}")

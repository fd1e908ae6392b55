# SPDX-License-Identifier: Apache-2.0
# Fails if an object file of OBJECTS (separated by ';') defines a symbol that the linker may merge
# with another file's: an inline function or template that was compiled for AVX-512 could then run
# on every processor. What such a file may give to others is the tables of convscale.
foreach(object IN LISTS OBJECTS)
  execute_process(COMMAND ${NM} --defined-only --demangle ${object}
    OUTPUT_VARIABLE symbols COMMAND_ERROR_IS_FATAL ANY)
  string(REGEX MATCHALL "[^\n]+" lines "${symbols}")
  foreach(line IN LISTS lines)
    math(EXPR count "${count} + 1")
    # "ADDRESS TYPE NAME". Small letters are local to the file; W, V and u are weak or unique.
    if(NOT line MATCHES "^[0-9a-f]+ ([A-Zu]) (.*)$")
      continue()
    endif()
    set(type ${CMAKE_MATCH_1})
    set(name ${CMAKE_MATCH_2})
    if(NOT "${type} ${name}" MATCHES "^[RD] convscale::[a-z0-9]+_(kernel|ceiling_loops)$")
      message(SEND_ERROR "${object} shares the symbol '${name}' (${type}); "
        "keep inline library functions out of files for one instruction set")
    endif()
  endforeach()
endforeach()
if(NOT count GREATER 0)
  message(FATAL_ERROR "no symbols read from '${OBJECTS}'")
endif()

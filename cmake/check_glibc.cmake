# SPDX-License-Identifier: Apache-2.0
# Fails if the program FILE asks for a symbol of a glibc newer than NEWEST.
execute_process(COMMAND ${OBJDUMP} -T ${FILE} OUTPUT_VARIABLE symbols COMMAND_ERROR_IS_FATAL ANY)
string(REGEX MATCHALL "GLIBC_[0-9][0-9.]*\\)? +[^\n]+" lines "${symbols}")
foreach(line IN LISTS lines)
  string(REGEX MATCH "GLIBC_([0-9.]+)\\)? +(.*)" line "${line}")
  if(CMAKE_MATCH_1 VERSION_GREATER NEWEST)
    message(SEND_ERROR
      "${FILE}: ${CMAKE_MATCH_2} binds it to glibc ${CMAKE_MATCH_1}, newer than ${NEWEST}")
  endif()
endforeach()
if(NOT lines)
  message(FATAL_ERROR "no symbols of glibc read from '${FILE}'")
endif()

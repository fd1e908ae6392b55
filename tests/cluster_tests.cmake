# SPDX-License-Identifier: Apache-2.0
# convscale_add_cluster_tests(LABEL): a ctest for each test_NAME.py of the current folder, LABEL.NAME with that label, and
# LABEL.types for mypy. They take turns: a second cluster on this machine would slow the
# first. Exit code 77 is a skipped test, and its output says why.
find_package(Python3 3.11 COMPONENTS Interpreter QUIET)
find_program(CONVSCALE_MYPY mypy HINTS /usr/bin)
mark_as_advanced(CONVSCALE_MYPY)

set(CONVSCALE_CLUSTER_PYTHON "")
foreach(candidate IN ITEMS /usr/bin/python3 ${Python3_EXECUTABLE})
  if(EXISTS ${candidate} AND NOT CONVSCALE_CLUSTER_PYTHON)
    execute_process(
      COMMAND ${candidate} -c "import sys, pytest; sys.exit(sys.version_info < (3, 11))"
      RESULT_VARIABLE result OUTPUT_QUIET ERROR_QUIET)
    if(result EQUAL 0)
      set(CONVSCALE_CLUSTER_PYTHON ${candidate})
    endif()
  endif()
endforeach()

function(convscale_add_cluster_tests label)
  file(GLOB sources RELATIVE ${CMAKE_CURRENT_SOURCE_DIR} CONFIGURE_DEPENDS *.py)
  file(GLOB cases RELATIVE ${CMAKE_CURRENT_SOURCE_DIR} CONFIGURE_DEPENDS test_*.py)
  set(reason "")
  if(NOT CONVSCALE_CLUSTER_PYTHON)
    set(reason "no Python 3.11 or later with pytest here")
  elseif(CONVSCALE_SANITIZE)
    set(reason "sanitizers report what the MPI library itself leaks")
  endif()
  foreach(case IN LISTS cases)
    string(REGEX REPLACE "^test_(.*)\\.py$" "${label}.\\1" test ${case})
    if(NOT reason)
      add_test(NAME ${test}
        COMMAND ${CONVSCALE_CLUSTER_PYTHON} -B -m pytest -q -rs -p no:cacheprovider
          ${CMAKE_CURRENT_SOURCE_DIR}/${case} --program=$<TARGET_FILE:convscale>
        WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
    else()
      add_test(NAME ${test} COMMAND sh -c "echo 'skipped: ${reason}'; exit 77")
    endif()
    set_tests_properties(${test} PROPERTIES RESOURCE_LOCK cluster)
    list(APPEND tests ${test})
  endforeach()
  if(CONVSCALE_MYPY)
    add_test(NAME ${label}.types
      COMMAND ${CONVSCALE_MYPY} --cache-dir=${CMAKE_CURRENT_BINARY_DIR}/mypy --strict ${sources}
      WORKING_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR})
  else()
    add_test(NAME ${label}.types COMMAND sh -c "echo 'skipped: no mypy here'; exit 77")
  endif()
  set_tests_properties(${tests} ${label}.types PROPERTIES
    LABELS ${label} SKIP_RETURN_CODE 77 TIMEOUT 1500)
endfunction()

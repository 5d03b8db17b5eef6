# Turns files into one C source: a table of {name, bytes, length} called embed_<label>.
# A build step (embed_run.cmake) does the work, so a changed file is embedded anew.
function(mreg_embed output label files)
  add_custom_command(OUTPUT ${output}
    COMMAND ${CMAKE_COMMAND} -DOUTPUT=${output} -DLABEL=${label} "-DFILES=${files}"
            -P ${CMAKE_SOURCE_DIR}/packaging/embed_run.cmake
    DEPENDS ${files} ${CMAKE_SOURCE_DIR}/packaging/embed_run.cmake VERBATIM)
endfunction()

# The dashboard: web/dist made by npm and esbuild, or nothing when MREG_WEB=off.
function(mreg_web output)
  if(MREG_WEB STREQUAL "npm")
    file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/web/src/*)
    set(dist ${CMAKE_BINARY_DIR}/web)
    add_custom_command(OUTPUT ${dist}/index.html
      COMMAND ${CMAKE_SOURCE_DIR}/web/build.sh ${dist}
      DEPENDS ${sources} ${CMAKE_SOURCE_DIR}/web/build.sh ${CMAKE_SOURCE_DIR}/web/package.json
              ${CMAKE_SOURCE_DIR}/web/package-lock.json VERBATIM)
    # Which files there are is known only once they are made: the step takes all of the folder.
    add_custom_command(OUTPUT ${output}
      COMMAND ${CMAKE_COMMAND} -DOUTPUT=${output} -DLABEL=web -DFOLDER=${dist}
              -P ${CMAKE_SOURCE_DIR}/packaging/embed_run.cmake
      DEPENDS ${dist}/index.html ${CMAKE_SOURCE_DIR}/packaging/embed_run.cmake VERBATIM)
  else()
    mreg_embed(${output} web "")
  endif()
endfunction()

# Read by CMake while llama-cpp-python is compiled. Python loads llama.cpp and ggml alone: the library of its command-line
# programs costs minutes, and its sources do not stand together in a unity build.
set(LLAMA_BUILD_COMMON OFF)
set(CMAKE_UNITY_BUILD ON)
set(CMAKE_UNITY_BUILD_BATCH_SIZE 12)
# No AMX: GCC before 13.3 leaves out most of what `ldtilecfg` reads (its bug 114098), and every quantized model crashes.
include(CheckCXXCompilerFlag)
check_cxx_compiler_flag(-mno-amx-tile KNOWS_AMX)
if(KNOWS_AMX)
  add_compile_options(-mno-amx-tile -mno-amx-int8 -mno-amx-bf16)
endif()

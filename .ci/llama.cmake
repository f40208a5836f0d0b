# Read by CMake while llama-cpp-python is compiled. Python loads llama.cpp and ggml alone: the library of its command-line
# programs costs minutes, and its sources do not stand together in a unity build.
set(LLAMA_BUILD_COMMON OFF)
set(CMAKE_UNITY_BUILD ON)
set(CMAKE_UNITY_BUILD_BATCH_SIZE 12)
# Which files of this one hold code depends on the CPU, and not all of them can stand together (those for AMX).
cmake_language(DEFER CALL set_target_properties ggml-cpu PROPERTIES UNITY_BUILD OFF)

#include "keeper/keeper.h"

#include "app.h"
#include "board.h"

int main(void) {
    board_init();
    app_init();
    for (;;) {
        if (!app_step()) board_idle();
    }
}
